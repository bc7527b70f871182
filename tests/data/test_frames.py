"""Frames: batches of images, normalised and repeated without a copy; of events, the counts of the store."""

import numpy as np
import pytest
import torch

from snn.data.conversion import write
from snn.data.frames import Frames
from snn.data.params import SplitParams
from snn.data.store import open_store

from .image_data import random_images


@pytest.fixture
def images(tmp_path):
    write(random_images(20), None, SplitParams(test=4, validation=4), tmp_path / "s")
    return open_store(tmp_path / "s")


@pytest.mark.parametrize("frame_cache_mb", [100, 0])
def test_an_image_is_normalised_and_the_same_at_every_step_without_a_copy(images, frame_cache_mb):
    frames = Frames(images, "train", 6, frame_cache_mb)
    x, y = frames.batch(torch.arange(len(frames)))
    assert x.shape == (6, 12, 3, 4, 5)
    assert x.stride(0) == 0, "repeated, not copied"
    np.testing.assert_allclose(x[0].mean((0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(x[0].std((0, 2, 3), unbiased=False), 1, atol=1e-5)
    assert y.tolist() == images.labels[images.indices("train")].tolist()
    one = Frames(images, "train", 1, frame_cache_mb).batch(torch.arange(12))[0]
    assert torch.equal(one[0], x[5])


@pytest.mark.parametrize(
    ("batch_size", "sizes"),
    [(1, [1] * 12), (4, [4, 4, 4]), (5, [5, 5, 2]), (11, [12]), (12, [12]), (13, [12])],
)
def test_every_sample_is_in_one_batch_and_none_is_alone(images, batch_size, sizes):
    """A batch of one has no variance: batch normalisation of a vector would stop the training with torch's message."""
    frames = Frames(images, "train", 1, 100)
    batches = list(frames.shuffled(batch_size, torch.Generator().manual_seed(0)))
    assert [len(y) for _, y in batches] == sizes
    assert frames.batches(batch_size) == len(sizes)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    assert torch.equal(torch.cat([x for x, _ in batches], 1), frames.batch(order)[0])


def test_an_augmentation_sees_pixels_before_they_are_normalised_and_repeated(images):
    frames = Frames(images, "train", 3, 100)
    seen = []
    x, _ = frames.batch(torch.tensor([2, 0]), lambda x: seen.append(x.clone()) or x * 0)
    expected = images.images(images.indices("train")[[2, 0]])
    np.testing.assert_array_equal(seen[0][0].numpy(), expected)
    assert seen[0].shape[0] == 1
    black = torch.from_numpy(-images.mean / images.sd).view(3, 1, 1).expand(3, 2, 3, 4, 5)
    torch.testing.assert_close(x, black)
    again, _ = frames.batch(torch.tensor([2, 0]), lambda x: x.zero_())
    assert not torch.equal(frames.batch(torch.tensor([2, 0]))[0], again), "the cached pixels are not touched"


def test_a_channel_without_contrast_only_loses_its_mean(tmp_path):
    reader = random_images(12)
    inner = reader.samples

    def flat(params, positions=None):
        for image in inner(params, positions):
            image.pixels[1] = 51
            yield image

    reader.samples = flat
    write(reader, None, SplitParams(test=2, validation=2), tmp_path / "s")
    x, _ = Frames(open_store(tmp_path / "s"), "test", 1, 100).batch(torch.arange(2))
    assert torch.isfinite(x).all()
    assert x[0, :, 1].abs().max() < 1e-6
