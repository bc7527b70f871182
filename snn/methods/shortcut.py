"""Shortcut back-propagation (Guo et al.; NeurIPS 2024; arXiv 2401.04486).

A branch at the end of each group of stages (global average pooling, then one fully connected layer) gives class logits
b_l; the main output is b_n. They are added up before the one loss, so that its gradient reaches the early stages
directly, without passing the surrogate gradients of all later stages:

    o = b_n + λ · Σ_{l<n} b_l,      L = CE(o, y),      λ = 1 (`weight`)

One cross-entropy on the sum, not one for each head: the paper's introduction says otherwise, its equations decide (a
loss for each head is `shortcut-per-head`). Inference uses b_n alone; `strip` gives the plain network.

Symbols: b_l `[N, K]`, decoded over time by the recipe (mean or sum, times its scale) like the main logits [ours]. The
input of a head is the output of its stage, spikes after pooling; a branch is one layer without bias, as the readout has
none [ours]. The ends of groups are those of `snn/methods/shared/heads.py`: layer1 to layer3 of a ResNet-18/34, layer1
and layer2 of a ResNet-19/20 [ours]. The branches are not counted as time steps: their cost is less than a hundredth of
that of a stage. Ablations: another fixed λ (`weight`), and the number of branches (`branches`) [ours].
"""

from __future__ import annotations

from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy

from snn.methods.shared.heads import Branched, BranchParams, branched
from snn.models.stages import Network
from snn.training.method import Method


class Shortcut(Method[Branched]):
    paper = "Guo et al., Take A Shortcut Back: Mitigating the Gradient Vanishing for Training SNNs, NeurIPS 2024"

    class Params(BranchParams):
        weight: float = Field(1.0, ge=0, description="λ, weight of the branches")

    def prepare(self, network: Network) -> Branched:
        return branched(network, self.run, self.params.branches)

    def factor(self) -> float:
        """λ, the weight of the branches."""
        weight: float = self.params.weight
        return weight

    def loss(self, model: Branched, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        outputs, branches = model(x)
        logits = self.run.decode(outputs)
        return cross_entropy(logits + self.factor() * sum(map(self.run.decode, branches)), y), logits

    def strip(self, model: Branched) -> Network:
        return model.network


METHOD = Shortcut
