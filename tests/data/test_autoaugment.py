"""AutoAugment: the batched operations equal Pillow's, the policy is applied as drawn, the generator decides."""

from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from snn.data.autoaugment import FILL, OPERATIONS, POLICY, autoaugment, magnitude

GREY = (int(FILL),) * 3


def moved(image, *coefficients):
    return image.transform(image.size, Image.Transform.AFFINE, coefficients, Image.Resampling.NEAREST, fillcolor=GREY)


# What Pillow does, by operation; magnitudes to try.
PILLOW = {
    "shear_x": (lambda im, m: moved(im, 1, m, 0, 0, 1, 0), (-0.3, 0.17)),
    "shear_y": (lambda im, m: moved(im, 1, 0, 0, m, 1, 0), (-0.23, 0.3)),
    "translate_x": (lambda im, m: moved(im, 1, 0, m, 0, 1, 0), (-14.5, 3.2, 0.0)),
    "translate_y": (lambda im, m: moved(im, 1, 0, 0, 0, 1, m), (-4.8, 14.5)),
    "rotate": (lambda im, m: im.rotate(m, Image.Resampling.NEAREST, fillcolor=GREY), (-30.0, 6.7)),
    "auto_contrast": (lambda im, m: ImageOps.autocontrast(im), (0.0,)),
    "invert": (lambda im, m: ImageOps.invert(im), (0.0,)),
    "equalize": (lambda im, m: ImageOps.equalize(im), (0.0,)),
    "solarize": (lambda im, m: ImageOps.solarize(im, m), (256.0, 128.0, 0.0)),
    "posterize": (lambda im, m: ImageOps.posterize(im, int(m)), (8.0, 5.0, 4.0)),
    "color": (lambda im, m: ImageEnhance.Color(im).enhance(m), (0.1, 1.0, 1.9)),
    "contrast": (lambda im, m: ImageEnhance.Contrast(im).enhance(m), (0.3, 1.0, 1.9)),
    "brightness": (lambda im, m: ImageEnhance.Brightness(im).enhance(m), (0.1, 1.6)),
    "sharpness": (lambda im, m: ImageEnhance.Sharpness(im).enhance(m), (0.1, 1.0, 1.9)),
}
EXACT = ("invert", "solarize", "posterize", "equalize")


def pictures() -> np.ndarray:
    """Random, smooth, narrow in its values, almost and wholly of one value: uint8 [5, 3, 32, 24]."""
    rng = np.random.default_rng(3)
    rows, columns = np.mgrid[:32, :24]
    smooth = np.stack([4 * rows, 5 * columns + 40, 3 * rows + 4 * columns])
    narrow = rng.integers(90, 140, (3, 32, 24))
    almost = np.full((3, 32, 24), 77)
    almost[:, 4, 5] = 200
    return np.stack([rng.integers(0, 256, (3, 32, 24)), smooth, narrow, almost, 0 * almost + 9]).astype(np.uint8)


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_is_that_of_pillow(name):
    reference, strengths = PILLOW[name]
    images = pictures()
    x = torch.from_numpy(images).float()
    for m in strengths:
        ours = OPERATIONS[name](x, torch.full((len(x), 1, 1, 1), m))
        assert torch.equal(ours, ours.floor().clamp(0, 255)), "whole numbers from 0 to 255"
        for image, result in zip(images, ours.numpy(), strict=True):
            expected = np.asarray(reference(Image.fromarray(image.transpose(1, 2, 0)), m)).transpose(2, 0, 1)
            difference = np.abs(result - expected)
            if name in ("shear_x", "shear_y", "translate_x", "translate_y", "rotate"):
                assert (difference > 0).mean() < 0.005, "only where a point lies between two pixels"
            else:
                assert difference.max() <= (name not in EXACT)


def test_each_image_has_its_own_magnitude():
    x = torch.from_numpy(pictures()).float()
    m = torch.tensor([0.1, 0.5, 1.0, 1.4, 1.9]).view(-1, 1, 1, 1)
    for name in ("brightness", "sharpness", "shear_x", "rotate"):
        together = OPERATIONS[name](x, m)
        for i in range(len(x)):
            assert torch.equal(together[i], OPERATIONS[name](x[i : i + 1], m[i : i + 1])[0])


def test_operations_on_grey_images():
    x = torch.from_numpy(pictures()[:, :1]).float()
    for name, (reference, strengths) in PILLOW.items():
        if name in ("shear_x", "shear_y", "translate_x", "translate_y", "rotate"):
            continue
        ours = OPERATIONS[name](x, torch.full((len(x), 1, 1, 1), strengths[0])).numpy()
        for image, result in zip(x.numpy().astype(np.uint8), ours, strict=True):
            expected = np.asarray(reference(Image.fromarray(image[0]), strengths[0]))
            assert np.abs(result[0] - expected).max() <= 1, name


def test_the_policy_is_the_published_one_in_form():
    assert len(POLICY) == 25
    used = Counter(name for sub in POLICY for name, _, _ in sub)
    assert set(used) <= set(OPERATIONS)
    assert used["equalize"] == 9
    assert used["auto_contrast"] == 7
    assert "shear_x" not in used
    assert all(0 <= p <= 1 and 0 <= level <= 9 for sub in POLICY for _, p, level in sub)


def test_magnitudes_span_the_papers_ranges():
    shape = (8, 3, 32, 32)
    assert magnitude("rotate", 9, -1, shape) == -30
    assert magnitude("shear_y", 9, 1, shape) == pytest.approx(0.3)
    assert magnitude("translate_x", 9, 1, shape) == pytest.approx(14.5, abs=0.01)
    assert [magnitude("posterize", level, 1, shape) for level in (0, 9)] == [8, 4]
    assert [magnitude("solarize", level, 1, shape) for level in (0, 9)] == [256, 0]
    assert [magnitude("color", 9, sign, shape) for sign in (-1, 1)] == [pytest.approx(0.1), pytest.approx(1.9)]


def test_the_result_of_a_batch_is_that_of_each_image_alone():
    """The result of a batch is that of each image by itself under the same draws."""
    x = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (40, 3, 16, 16), dtype=np.uint8)).float()
    ours = autoaugment(x[None], torch.Generator().manual_seed(5))[0]
    g = torch.Generator().manual_seed(5)
    policy, chance = torch.randint(25, (40,), generator=g), torch.rand(40, 2, generator=g)
    sign = 2 * torch.randint(2, (40, 2), generator=g) - 1
    changed = 0
    for i in range(40):
        image = x[i : i + 1]
        for k, (name, probability, level) in enumerate(POLICY[policy[i]]):
            if chance[i, k] < probability:
                m = magnitude(name, level, int(sign[i, k]), image.shape)
                image = OPERATIONS[name](image, torch.tensor(m).view(1, 1, 1, 1))
        assert torch.equal(ours[i], image[0])
        changed += not torch.equal(image[0], x[i])
    assert changed > 20


def test_the_generator_decides_and_the_input_stays():
    x = torch.from_numpy(pictures()).float()[None]
    before = x.clone()
    a, b, c = (autoaugment(x, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert torch.equal(x, before)
