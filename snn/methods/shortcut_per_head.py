"""Ablation of Shortcut back-propagation: a loss of its own on every branch, i.e. deep supervision.

    L = Σ_l CE(b_l, y) = CE(b_n, y) + Σ_{l<n} CE(b_l, y)

The introduction of the Shortcut paper (arXiv 2401.04486) describes this loss, its equations another. Compared with
`shortcut` it shows whether it matters that the branches are added up before the loss. Branches, heads and inference are
those of `snn/methods/shortcut.py`; equal weights [ours].
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cross_entropy

from snn.methods.shared.heads import Branched, BranchParams
from snn.methods.shortcut import Shortcut


class PerHeadShortcut(Shortcut):
    class Params(BranchParams):
        """The branches have equal weights."""

    def loss(self, model: Branched, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        outputs, branches = model(x)
        logits = self.run.decode(outputs)
        return sum((cross_entropy(self.run.decode(b), y) for b in branches), cross_entropy(logits, y)), logits


METHOD = PerHeadShortcut
