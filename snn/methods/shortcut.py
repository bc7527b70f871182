"""Shortcut back-propagation (Guo et al.; NeurIPS 2024; arXiv 2401.04486).

A branch on the end of each group of stages (global average pooling, then one fully connected layer) gives class logits
b_l; the main output is b_n. They are added up before the one loss, so that the loss reaches the early stages by a
short way, past the surrogate gradients of everything behind them:

    o = b_n + λ · Σ_{l<n} b_l,      L = CE(o, y),      λ = 1

One cross-entropy on the sum, not one a head: the paper's introduction says otherwise, its equations decide (the loss a
head is `shortcut-per-head`). Inference uses b_n alone; `strip` gives the plain network.

Symbols: b_l [N, K], decoded over time by the recipe (mean or sum, times its scale) like the main logits [ours]. The
heads see spikes, after a stage's pooling; one layer a branch, without bias, as the readout has none [ours]. Group ends
are those of `snn/methods/shared/heads.py`: layer1 to layer3 of a ResNet-18/34, layer1 and layer2 of a ResNet-19/20 [ours].
A branch's cost is not counted as time steps: it is a fraction of a per cent of a stage's.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from snn.methods.shared.heads import Branched, branched
from snn.training.method import Method


class Shortcut(Method):
    paper = "Guo et al., Take A Shortcut Back: Mitigating the Gradient Vanishing for Training SNNs, NeurIPS 2024"

    def prepare(self, network: nn.Module) -> nn.Module:
        return branched(network, self.run)

    def factor(self) -> float:
        """λ, the weight of the branches."""
        return 1.0

    def loss(self, model: Branched, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        outputs, branches = model(x)
        logits = self.run.decode(outputs)
        return cross_entropy(logits + self.factor() * sum(map(self.run.decode, branches)), y), logits

    def strip(self, model: Branched) -> nn.Module:
        return model.network


METHOD = Shortcut
