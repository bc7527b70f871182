"""Batches of frames: what a network sees of a store, cached in memory where it fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from snn.data.store import EventStore, ImageStore, Store

Augmentation = Callable[[Tensor], Tensor]
"""Called with float32 event counts [T, N, P, H, W], or pixels from 0 to 255 [1, N, C, H, W]; returns the same shape."""


class Frames:
    """One split of a store over T time steps, with labels: batches `x` float32 [T, N, C, H, W] on the device.

    Events of a recording are counted in T bins of equal time. An image is the same at every step (direct coding),
    normalised to mean 0 and standard deviation 1 of each channel over the training split; it is repeated without a
    copy.

    Counts and pixels stay unsigned integers until a batch is used (a quarter of float32's memory and traffic). If all
    of them take at most `frame_cache_mb` they are made once; otherwise every batch is made when it is asked for, so a
    data set never needs to fit in memory. subset: positions within the split, for a part of it.
    """

    def __init__(
        self,
        store: Store,
        split: str,
        t: int,
        frame_cache_mb: float,
        device: str = "cpu",
        subset: np.ndarray | None = None,
    ):
        self.store, self.t, self.device = store, t, device
        self.indices = store.indices(split) if subset is None else store.indices(split)[subset]
        self.labels = torch.from_numpy(store.labels[self.indices].astype(np.int64)).to(device)
        self.static = isinstance(store, ImageStore)
        if isinstance(store, ImageStore):
            # Pixels from 0 to 255 are normalised as x · scale + shift; a channel of one value only loses its mean.
            sd = np.where(store.sd > 0, store.sd, 1).astype(np.float32)
            self.scale, self.shift = (
                torch.from_numpy(a).view(-1, 1, 1).to(device) for a in (1 / (255 * sd), -store.mean / sd)
            )
        self._cache = None
        if len(self.indices) * (1 if self.static else t) * np.prod(store.shape) <= frame_cache_mb * 2**20:
            self._cache = torch.from_numpy(self._integers(self.indices)).to(device)

    def __len__(self) -> int:
        return len(self.indices)

    def _integers(self, indices: np.ndarray) -> np.ndarray:
        """Counts [N, T, P, H, W] or pixels [N, 1, C, H, W] of the store's samples at `indices`, unsigned integers."""
        match self.store:
            case ImageStore() as images:
                return images.images(indices)[:, None]
            case EventStore() as recordings:
                return recordings.frames(indices, self.t)
        raise TypeError(f"frames of a {type(self.store).__name__}")

    def batch(self, positions: Tensor, augmentation: Augmentation | None = None) -> tuple[Tensor, Tensor]:
        """(x float32 [T, N, C, H, W], labels int64 [N]) of the samples at these positions of the split."""
        if self._cache is not None:
            x = self._cache[positions]
        else:
            x = torch.from_numpy(self._integers(self.indices[positions.cpu().numpy()])).to(self.device)
        x = x.transpose(0, 1).to(torch.float32, memory_format=torch.contiguous_format)
        if augmentation is not None:
            x = augmentation(x)
        if self.static:
            x = torch.addcmul(self.shift, x, self.scale).expand(self.t, -1, -1, -1, -1)
        return x, self.labels[positions]

    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All samples once, in the store's order."""
        for positions in torch.arange(len(self)).split(batch_size):
            yield self.batch(positions)

    def shuffled(
        self, batch_size: int, generator: torch.Generator, augmentation: Augmentation | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """All samples once in random order; the last batch may be smaller, or larger by one."""
        order, count = torch.randperm(len(self), generator=generator), self.batches(batch_size)
        for positions in order.tensor_split([batch_size * i for i in range(1, count)]):
            yield self.batch(positions, augmentation)

    def batches(self, batch_size: int) -> int:
        """How many batches `shuffled` makes. One sample that would be left over goes into the batch before it: in a
        batch of its own it has no variance, which batch normalisation needs in a layer without width and height."""
        whole, rest = divmod(len(self), batch_size)
        return max(1, whole + (rest > 1))
