"""How much memory a training step keeps for backward, against T: measured, not derived.

Counted are the bytes of all distinct storages that autograd holds at one moment, and of these moments the fullest: a
step that differentiates and lets go as it runs (LTL) holds less at once than one that unfolds over all of time.
Weights, buffers and the batch itself are there anyway and do not count; nor do gradients and what operators need while
they run. Expected with L layers, N neurons a layer: O(L·N·T) for back-propagation through time, O(N·T) for LTL offline,
O(L·N) for LTL online. MTT and NMT are measured at the time steps that their first mini-batch draws up to T.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from snn.phases.experiment import Experiment
from snn.phases.outcome import Outcome
from snn.phases.probe.first_step import first_step

SAMPLES = 8
"""Batch of the measured step; the bytes grow in proportion, so that the metric is per sample."""


def memory(experiment: Experiment, steps: list[int], teacher: nn.Module | None) -> Outcome:
    """Metric `bytes_for_backward`, per sample, at each T of `steps` that the method can train at."""
    e, outcome = experiment, Outcome()
    for t in steps:
        if (first := first_step(e, t, SAMPLES, teacher)) is None:
            continue
        with KeptForBackward([first.x, *first.model.parameters(), *first.model.buffers()]) as kept:
            first.run()
        outcome.add("bytes_for_backward", kept.most / len(first.y), t)
    return outcome


class KeptForBackward:
    """While entered, follows the tensors that autograd keeps; `most`: the largest number of bytes at one moment.

    apart: tensors whose storages do not count.
    """

    def __init__(self, apart: Iterable[Tensor] = ()):
        self.apart = {_storage(tensor) for tensor in apart}
        self.held: Counter[int] = Counter()
        self.now = self.most = 0

    def __enter__(self) -> KeptForBackward:
        # Detached, since an operator's own output, kept as it is, would keep the operator and never be let go.
        self._hooks = torch.autograd.graph.saved_tensors_hooks(lambda x: _Box(self, x.detach()), lambda box: box.tensor)
        self._hooks.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._hooks.__exit__(*error)


class _Box:
    """One kept tensor; autograd drops the box when it lets the tensor go."""

    def __init__(self, owner: KeptForBackward, tensor: Tensor):
        self.owner, self.tensor, self.key = owner, tensor, _storage(tensor)
        if self.key in owner.apart:
            return
        owner.held[self.key] += 1
        if owner.held[self.key] == 1:
            owner.now += tensor.untyped_storage().nbytes()
            owner.most = max(owner.most, owner.now)

    def __del__(self) -> None:
        if self.key in self.owner.apart:
            return
        self.owner.held[self.key] -= 1
        if self.owner.held[self.key] == 0:
            self.owner.now -= self.tensor.untyped_storage().nbytes()


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
