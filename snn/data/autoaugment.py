"""AutoAugment's operations and CIFAR-10 policy, on batches of images and on any device.

Everything random is drawn from the generator that is passed (on the CPU, so that a seed means the same on every device,
and so that no draw waits for the device); the number of draws depends on the batch size alone. Images are float32
[N, 3, H, W] (or [N, 1, H, W]) holding whole numbers from 0 to 255.

Each operation is Pillow's of the same name (`ImageOps`, `ImageEnhance`, `Image.transform` to the nearest pixel), which
is what the published policy was searched with; the tests compare them with Pillow. Pixels that come from outside the
image are grey (128), near the mean, which is what the authors fill in [paper's code: the mean].

- E. D. Cubuk, B. Zoph, D. Mané, V. Vasudevan, Q. V. Le. AutoAugment: Learning Augmentation Policies
  from Data. CVPR 2019.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d

FILL = 128.0

# Each sub-policy is two times (operation, probability, magnitude from 0 to 9). [paper, Table 7]
POLICY = [
    (("invert", 0.1, 7), ("contrast", 0.2, 6)),
    (("rotate", 0.7, 2), ("translate_x", 0.3, 9)),
    (("sharpness", 0.8, 1), ("sharpness", 0.9, 3)),
    (("shear_y", 0.5, 8), ("translate_y", 0.7, 9)),
    (("auto_contrast", 0.5, 8), ("equalize", 0.9, 2)),
    (("shear_y", 0.2, 7), ("posterize", 0.3, 7)),
    (("color", 0.4, 3), ("brightness", 0.6, 7)),
    (("sharpness", 0.3, 9), ("brightness", 0.7, 9)),
    (("equalize", 0.6, 5), ("equalize", 0.5, 1)),
    (("contrast", 0.6, 7), ("sharpness", 0.6, 5)),
    (("color", 0.7, 7), ("translate_x", 0.5, 8)),
    (("equalize", 0.3, 7), ("auto_contrast", 0.4, 8)),
    (("translate_y", 0.4, 3), ("sharpness", 0.2, 6)),
    (("brightness", 0.9, 6), ("color", 0.2, 8)),
    (("solarize", 0.5, 2), ("invert", 0.0, 3)),
    (("equalize", 0.2, 0), ("auto_contrast", 0.6, 0)),
    (("equalize", 0.2, 8), ("equalize", 0.6, 4)),
    (("color", 0.9, 9), ("equalize", 0.6, 6)),
    (("auto_contrast", 0.8, 4), ("solarize", 0.2, 8)),
    (("brightness", 0.1, 3), ("color", 0.7, 0)),
    (("solarize", 0.4, 5), ("auto_contrast", 0.9, 3)),
    (("translate_y", 0.9, 9), ("translate_y", 0.7, 9)),
    (("auto_contrast", 0.9, 2), ("solarize", 0.8, 3)),
    (("equalize", 0.8, 8), ("invert", 0.1, 3)),
    (("translate_y", 0.7, 9), ("auto_contrast", 0.9, 1)),
]


def autoaugment(x: Tensor, generator: torch.Generator) -> Tensor:
    """AutoAugment's CIFAR-10 policy on static images [1, N, C, H, W]; returns the same shape.

    For every image, one of the 25 sub-policies is drawn, for each of its two operations whether it is applied, and the
    sign of its magnitude where it has two directions. An operation is applied to all images that drew it at once.
    """
    images = x.squeeze(0).clone()
    n = len(images)
    policy = torch.randint(len(POLICY), (n,), generator=generator).tolist()
    chance = torch.rand(n, 2, generator=generator).tolist()
    sign = (2 * torch.randint(2, (n, 2), generator=generator) - 1).tolist()
    for k in (0, 1):
        groups: dict[str, list[tuple[int, float]]] = {}
        for i in range(n):
            name, probability, level = POLICY[policy[i]][k]
            if chance[i][k] < probability:
                groups.setdefault(name, []).append((i, magnitude(name, level, sign[i][k], images.shape)))
        for name, members in groups.items():
            chosen, strength = zip(*members, strict=True)
            index = torch.tensor(chosen, device=x.device)
            m = torch.tensor(strength, device=x.device).view(-1, 1, 1, 1)
            images[index] = OPERATIONS[name](images[index], m)
    return images.unsqueeze(0)


def magnitude(name: str, level: int, sign: int, shape: tuple[int, ...]) -> float:
    """The argument of an operation at a level from 0 to 9, in ten even steps over its range [paper, Table 6].

    sign: 1 or -1, the direction where the operation has two. shape: of the images, [N, C, H, W].
    """
    fraction = level / 9
    match name:
        case "shear_x" | "shear_y":
            return sign * 0.3 * fraction  # pixels a pixel
        case "translate_x":
            return sign * 150 / 331 * shape[-1] * fraction  # pixels: the paper's 150 of ImageNet's 331
        case "translate_y":
            return sign * 150 / 331 * shape[-2] * fraction
        case "rotate":
            return sign * 30 * fraction  # degrees
        case "solarize":
            return 256 - 256 * fraction  # threshold
        case "posterize":
            return 8 - round(4 * fraction)  # bits that stay
        case "color" | "contrast" | "brightness" | "sharpness":
            return 1 + sign * 0.9 * fraction  # factor
    return 0.0


# --- operations: images [N, C, H, W] and a magnitude [N, 1, 1, 1] of each


Number = float | Tensor


def affine(x: Tensor, a: Number, b: Number, c: Number, d: Number, e: Number, f: Number) -> Tensor:
    """out(x, y) = in(a·x + b·y + c, d·x + e·y + f) at pixel centres, to the nearest pixel; grey outside.

    Coefficients: numbers or [N, 1, 1, 1].
    """
    n, channels, h, w = x.shape
    rows = (torch.arange(h, device=x.device) + 0.5).view(1, 1, h, 1)
    columns = (torch.arange(w, device=x.device) + 0.5).view(1, 1, 1, w)
    column = (a * columns + b * rows + c).floor().expand(n, 1, h, w)
    row = (d * columns + e * rows + f).floor().expand(n, 1, h, w)
    inside = (column >= 0) & (column < w) & (row >= 0) & (row < h)
    source = (row.clamp(0, h - 1) * w + column.clamp(0, w - 1)).long().view(n, 1, h * w).expand(-1, channels, -1)
    return torch.where(inside, x.reshape(n, channels, h * w).gather(2, source).view_as(x), FILL)


def shear_x(x: Tensor, m: Tensor) -> Tensor:
    return affine(x, 1, m, 0, 0, 1, 0)


def shear_y(x: Tensor, m: Tensor) -> Tensor:
    return affine(x, 1, 0, 0, m, 1, 0)


def translate_x(x: Tensor, m: Tensor) -> Tensor:
    return affine(x, 1, 0, m, 0, 1, 0)


def translate_y(x: Tensor, m: Tensor) -> Tensor:
    return affine(x, 1, 0, 0, 0, 1, m)


def rotate(x: Tensor, m: Tensor) -> Tensor:
    """Counter-clockwise by m degrees around the centre."""
    h, w = x.shape[-2:]
    cos, sin = torch.deg2rad(m).cos(), torch.deg2rad(m).sin()
    return affine(x, cos, -sin, w / 2 - cos * w / 2 + sin * h / 2, sin, cos, h / 2 - sin * w / 2 - cos * h / 2)


def auto_contrast(x: Tensor, m: Tensor) -> Tensor:
    """Each channel stretched to 0..255."""
    low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
    return torch.where(high > low, ((x - low) * 255 / (high - low).clamp_min(1)).floor(), x)


def invert(x: Tensor, m: Tensor) -> Tensor:
    return 255 - x


def equalize(x: Tensor, m: Tensor) -> Tensor:
    """Each channel's histogram made even: v -> (⌊step/2⌋ + #{pixels below v}) // step."""
    n, c, h, w = x.shape
    values = x.long().view(n, c, h * w)
    histogram = torch.zeros(n, c, 256, dtype=torch.long, device=x.device)
    histogram.scatter_add_(2, values, torch.ones_like(values))
    last = histogram.gather(2, values.amax(2, keepdim=True))
    step = (h * w - last) // 255
    table = ((histogram.cumsum(2) - histogram + step // 2) // step.clamp_min(1)).clamp_max(255)
    return torch.where((step > 0).view(n, c, 1, 1), table.gather(2, values).view_as(x).to(x), x)


def solarize(x: Tensor, m: Tensor) -> Tensor:
    """Values from the threshold m on inverted."""
    return torch.where(x < m, x, 255 - x)


def posterize(x: Tensor, m: Tensor) -> Tensor:
    """The m highest bits of each value."""
    unit = 2 ** (8 - m)
    return (x / unit).floor() * unit


def _blend(plain: Tensor, x: Tensor, m: Tensor) -> Tensor:
    """plain at m = 0, x at m = 1, and beyond; fractions are cut off."""
    return (plain + m * (x - plain)).clamp(0, 255).floor()


def _grey(x: Tensor) -> Tensor:
    """Luma (ITU-R 601) [N, 1, H, W], as Pillow rounds it."""
    if x.shape[1] == 1:
        return x
    weights = torch.tensor([19595.0, 38470.0, 7471.0], dtype=torch.float64, device=x.device).view(-1, 1, 1)
    return (((x.double() * weights).sum(1, keepdim=True) + 32768) / 65536).floor().to(x)


def color(x: Tensor, m: Tensor) -> Tensor:
    return _blend(_grey(x), x, m)


def contrast(x: Tensor, m: Tensor) -> Tensor:
    return _blend((_grey(x).mean((2, 3), keepdim=True) + 0.5).floor(), x, m)


def brightness(x: Tensor, m: Tensor) -> Tensor:
    return _blend(torch.zeros_like(x), x, m)


def sharpness(x: Tensor, m: Tensor) -> Tensor:
    """Blended with the image smoothed by (1 1 1, 1 5 1, 1 1 1)/13, whose outermost pixels stay."""
    kernel = torch.ones(3, 3, device=x.device)
    kernel[1, 1] = 5
    smooth = x.clone()
    inner = conv2d(x.flatten(0, 1).unsqueeze(1), kernel[None, None]).view(*x.shape[:2], x.shape[2] - 2, -1)
    smooth[:, :, 1:-1, 1:-1] = (inner / 13 + 0.5).floor()
    return _blend(smooth, x, m)


OPERATIONS = {
    f.__name__: f
    for f in (
        shear_x, shear_y, translate_x, translate_y, rotate, auto_contrast, invert, equalize, solarize, posterize,
        color, contrast, brightness, sharpness,
    )
}  # fmt: skip
