"""Frames of a store as training sees them: in memory when they fit, batch by batch when they do not."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from snn.data.store import Store


class Frames:
    """The frames of one split at T bins, with labels.

    Counts stay unsigned integers until a batch is used (a quarter of float32's memory and traffic), then become
    float32 [T, N, P, H, W] on the device. If all of them take at most `in_memory_mb` they are binned once; otherwise
    every batch is binned when it is asked for, so a data set never needs to fit in memory.
    """

    def __init__(self, store: Store, split: str, t: int, in_memory_mb: float, device: str = "cpu"):
        self.store, self.t, self.device = store, t, device
        self.indices = store.indices(split)
        self.labels = torch.from_numpy(store.labels[self.indices].astype(np.int64)).to(device)
        sensor = store.sensor
        size = len(self.indices) * t * sensor.polarities * sensor.height * sensor.width
        self._all = None
        if size <= in_memory_mb * 2**20:
            self._all = torch.from_numpy(store.frames(self.indices, t)).to(device)

    def __len__(self) -> int:
        return len(self.indices)

    def batch(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """(frames [T, N, P, H, W] float32, labels [N]) of the samples at positions `chosen` of the split."""
        if self._all is not None:
            x = self._all[chosen]
        else:
            x = torch.from_numpy(self.store.frames(self.indices[chosen.cpu().numpy()], self.t)).to(self.device)
        return x.transpose(0, 1).to(torch.float32, memory_format=torch.contiguous_format), self.labels[chosen]

    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All samples once, in the store's order."""
        for chosen in torch.arange(len(self)).split(batch_size):
            yield self.batch(chosen)

    def shuffled(self, batch_size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """All samples once in random order; the last, smaller batch is kept."""
        for chosen in torch.randperm(len(self), generator=generator).split(batch_size):
            yield self.batch(chosen)


def shifted(x: Tensor, pixels: int, generator: torch.Generator) -> Tensor:
    """Each sample of [T, N, C, H, W] moved by its own random whole offset of at most `pixels`, zeros moving in."""
    if pixels == 0:
        return x
    _, n, _, h, w = x.shape
    dy, dx = torch.randint(-pixels, pixels + 1, (2, n, 1), generator=generator)
    rows, columns = torch.arange(h) - dy, torch.arange(w) - dx  # where each target pixel comes from
    inside = ((rows >= 0) & (rows < h))[:, :, None] & ((columns >= 0) & (columns < w))[:, None, :]
    sample = torch.arange(n)[:, None, None]
    moved = x[:, sample, :, rows.clamp(0, h - 1)[:, :, None], columns.clamp(0, w - 1)[:, None, :]]
    # Indexing beside a slice puts the indexed axes first: [N, H, W, T, C].
    return (moved * inside[..., None, None].to(x)).permute(3, 0, 4, 1, 2).contiguous()


def flipped(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each sample mirrored left to right with probability one half."""
    mirror = torch.rand(x.shape[1], generator=generator) < 0.5
    return torch.where(mirror.view(1, -1, 1, 1, 1).to(x.device), x.flip(-1), x)
