"""Augmentation of event frames and images [T, N, C, H, W]: shift, roll, flip and Cutout.

Each sample is augmented in the same way at all time steps. Everything random is drawn from the generator that is
passed, on the CPU, so that a seed means the same on every device. AutoAugment is in `snn.data.autoaugment`.

- T. DeVries, G. W. Taylor. Improved Regularization of Convolutional Neural Networks with Cutout.
  arXiv:1708.04552, 2017.
"""

from __future__ import annotations

import torch
from torch import Tensor


def shifted(x: Tensor, pixels: int, generator: torch.Generator) -> Tensor:
    """Each sample moved by its own random offset of at most `pixels` in each direction; zeros move in."""
    if pixels == 0:
        return x
    moved = torch.zeros_like(x)
    # Copies of slices: one gather for all samples takes seven times as long on a CPU.
    for sample, (dy, dx) in enumerate(_offsets(x, pixels, generator)):
        (to_y, from_y), (to_x, from_x) = _overlap(dy, x.shape[3]), _overlap(dx, x.shape[4])
        moved[:, sample, :, to_y, to_x] = x[:, sample, :, from_y, from_x]
    return moved


def rolled(x: Tensor, pixels: int, generator: torch.Generator) -> Tensor:
    """As `shifted`, but pixels that leave on one side come in on the other."""
    if pixels == 0:
        return x
    moved = torch.empty_like(x)
    for sample, (dy, dx) in enumerate(_offsets(x, pixels, generator)):
        moved[:, sample] = x[:, sample].roll((dy, dx), (-2, -1))
    return moved


def _offsets(x: Tensor, pixels: int, generator: torch.Generator) -> list[list[int]]:
    """(dy, dx) of each sample, in pixels."""
    return torch.randint(-pixels, pixels + 1, (2, x.shape[1]), generator=generator).T.tolist()


def _overlap(offset: int, size: int) -> tuple[slice, slice]:
    """(target, source) slices of a row of `size` pixels that is moved by `offset`."""
    low = min(max(offset, 0), size)
    high = max(min(size, size + offset), low)
    return slice(low, high), slice(low - offset, high - offset)


def flipped(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each sample mirrored left to right with probability one half."""
    mirror = torch.rand(x.shape[1], generator=generator) < 0.5
    return torch.where(mirror.view(1, -1, 1, 1, 1).to(x.device), x.flip(-1), x)


def cutout(x: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Cutout: a square of `side` pixels around a random pixel, cut off at the border, is set to zero.

    It is applied before normalisation, where zero is black, as in the published code of the methods compared here (the
    Cutout paper applies it after normalisation, where zero is the mean).
    """
    if side == 0:
        return x
    _, n, _, h, w = x.shape
    keep = []
    for size in (h, w):
        first = torch.randint(size, (n, 1), generator=generator) - side // 2
        place = torch.arange(size)
        keep.append((place < first) | (place >= first + side))
    return x * (keep[0][:, None, :, None] | keep[1][:, None, None, :]).to(x)
