"""Frames of a store as training sees them: in memory when they fit, batch by batch when they do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from snn.data.store import EventStore, ImageStore

Change = Callable[[Tensor], Tensor]


class Frames:
    """What the network sees of one split over T steps, with labels: `x` float32 [T, N, C, H, W] on the device.

    Recordings are counted in T bins of equal time. An image is the same at every step (direct coding), normalised to
    mean 0 and standard deviation 1 of each channel over the training split; it is repeated without a copy.

    Counts and pixels stay unsigned integers until a batch is used (a quarter of float32's memory and traffic). If all
    of them take at most `in_memory_mb` they are made once; otherwise every batch is made when it is asked for, so a
    data set never needs to fit in memory. `chosen`: positions within the split, for a part of it.
    """

    def __init__(
        self,
        store: EventStore | ImageStore,
        split: str,
        t: int,
        in_memory_mb: float,
        device: str = "cpu",
        chosen: np.ndarray | None = None,
    ):
        self.store, self.t, self.device = store, t, device
        self.indices = store.indices(split) if chosen is None else store.indices(split)[chosen]
        self.labels = torch.from_numpy(store.labels[self.indices].astype(np.int64)).to(device)
        self.static = store.kind == "images"
        if self.static:
            # One pixel's whole way from 0..255 as x · scale + shift; a channel without contrast only loses its mean.
            sd = np.where(store.sd > 0, store.sd, 1).astype(np.float32)
            self.scale, self.shift = (
                torch.from_numpy(a).view(-1, 1, 1).to(device) for a in (1 / (255 * sd), -store.mean / sd)
            )
        self._all = None
        if len(self.indices) * (1 if self.static else t) * np.prod(store.shape) <= in_memory_mb * 2**20:
            self._all = torch.from_numpy(self._made(self.indices)).to(device)

    def __len__(self) -> int:
        return len(self.indices)

    def _made(self, indices: np.ndarray) -> np.ndarray:
        """Unsigned integers [N, T, C, H, W]; of images, which do not change, T is 1."""
        return self.store.images(indices)[:, None] if self.static else self.store.frames(indices, self.t)

    def batch(self, chosen: Tensor, change: Change | None = None) -> tuple[Tensor, Tensor]:
        """(x [T, N, C, H, W] float32, labels [N]) of the samples at positions `chosen` of the split.

        change: an augmentation, called with counts, or with pixels from 0 to 255 [1, N, C, H, W], as float32.
        """
        if self._all is not None:
            x = self._all[chosen]
        else:
            x = torch.from_numpy(self._made(self.indices[chosen.cpu().numpy()])).to(self.device)
        x = x.transpose(0, 1).to(torch.float32, memory_format=torch.contiguous_format)
        if change is not None:
            x = change(x)
        if self.static:
            x = torch.addcmul(self.shift, x, self.scale).expand(self.t, -1, -1, -1, -1)
        return x, self.labels[chosen]

    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All samples once, in the store's order."""
        for chosen in torch.arange(len(self)).split(batch_size):
            yield self.batch(chosen)

    def shuffled(
        self, batch_size: int, generator: torch.Generator, change: Change | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """All samples once in random order; the last, smaller batch is kept."""
        for chosen in torch.randperm(len(self), generator=generator).split(batch_size):
            yield self.batch(chosen, change)


def shifted(x: Tensor, pixels: int, generator: torch.Generator) -> Tensor:
    """Each sample of [T, N, C, H, W] moved by its own random whole offset of at most `pixels`, zeros moving in."""
    if pixels == 0:
        return x
    moved = torch.zeros_like(x)
    # Copies of slices: one gather for all samples takes seven times as long on a CPU.
    for sample, (dy, dx) in enumerate(_offsets(x, pixels, generator)):
        (to_y, from_y), (to_x, from_x) = _overlap(dy, x.shape[3]), _overlap(dx, x.shape[4])
        moved[:, sample, :, to_y, to_x] = x[:, sample, :, from_y, from_x]
    return moved


def rolled(x: Tensor, pixels: int, generator: torch.Generator) -> Tensor:
    """As `shifted`, but what leaves on one side comes in on the other."""
    if pixels == 0:
        return x
    moved = torch.empty_like(x)
    for sample, (dy, dx) in enumerate(_offsets(x, pixels, generator)):
        moved[:, sample] = x[:, sample].roll((dy, dx), (-2, -1))
    return moved


def _offsets(x: Tensor, pixels: int, generator: torch.Generator) -> list[list[int]]:
    """(dy, dx) of each sample."""
    return torch.randint(-pixels, pixels + 1, (2, x.shape[1]), generator=generator).T.tolist()


def _overlap(offset: int, size: int) -> tuple[slice, slice]:
    """Where pixels of a row moved by `offset` come to lie, and which of them stay in it."""
    low = min(max(offset, 0), size)
    high = max(min(size, size + offset), low)
    return slice(low, high), slice(low - offset, high - offset)


def flipped(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each sample mirrored left to right with probability one half."""
    mirror = torch.rand(x.shape[1], generator=generator) < 0.5
    return torch.where(mirror.view(1, -1, 1, 1, 1).to(x.device), x.flip(-1), x)
