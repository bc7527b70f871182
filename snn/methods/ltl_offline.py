"""LTL, offline: local tandem learning (Yang, Wu et al.; NeurIPS 2022; arXiv 2210.04532).

A trained ANN of the same layout teaches each layer of neurons by itself. With the count C_l[T] = Σ_t s_l[t] and the
teacher's activation A_l, clipped at 2,

    L_l = mean (C_l[T]/T - â_l)²,      â_l = clamp(A_l / percentile_p(A_l), 0, 1),      p = 99.9
    L_o = CE(decode(o), y)             o: readout, fed by the last layer's spikes

Each loss is back-propagated through time inside its own layer only: the spikes that enter a layer are detached. A
layer's loss is therefore taken, and its graph let go, as soon as the layer has been computed: what is kept for backward
is O(N·T) of one layer at a time, not O(L·N·T).

C_l, A_l, â_l: [N, C, H, W] at the neurons of layer l, before the stage's pooling; the percentile is over the batch.
The teacher is in evaluation mode and without gradient (the published code leaves its dropout on). The loss of the
readout is on its decoded output alone (the published code adds the last layer's spikes to it by aliasing).

Ours: the default `teacher` is the cell `ann`, which other methods share; it is trained without the published clip,
which then bounds its activations here only. `ann-ltl` is the published teacher. A residual block has two layers of
neurons, each with its loss. LTL's students have no normalisation; if the network has one, its statistics are those of
the first batch and stay fixed. It is then an initial scale of the weights, derived from the data, and the same in
training and evaluation.

History: `local_loss_<layer>`, the mean of L_l over the iterations of the epoch.

Time steps: T, and one forward pass of the teacher at `FORWARD`; the teacher's training is a cell of its own.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import mse_loss

from snn.config.blocks import Model
from snn.methods.shared.teacher import activations, after_each, matching_layers, percentile
from snn.models.stages import Network, norms
from snn.training.evaluate import recalibrate
from snn.training.method import FORWARD, Method, StepResult, time_mean_cross_entropy


class OfflineLTL(Method[Network]):
    paper = "Yang, Wu, Zhang, Chua, Wang, Li, Training Spiking Neural Networks with Local Tandem Learning, NeurIPS 2022"
    indivisible = "its targets are percentiles over the whole batch"

    class Params(Model):
        percentile: float = Field(
            99.9, gt=0, le=100, description="p: the percentile of the activations that a full rate stands for"
        )
        teacher: Literal["ann", "ann-ltl"] = Field("ann", description="its method; `ann-ltl` is the published teacher")
        clip: float | None = Field(2.0, gt=0, description="upper bound of the teacher's ReLU; null for none")

    @classmethod
    def teacher(cls, params: Any) -> str:
        name: str = params.teacher
        return name

    def prepare(self, network: Network) -> Network:
        self.layers = matching_layers(network, self.run.require_teacher())
        self.local_losses: dict[str, list[Tensor]] = {layer: [] for layer in self.layers}
        return network

    def start_epoch(self, model: Network, epoch: int, batch: tuple[Tensor, Tensor]) -> None:
        if epoch == 1:
            recalibrate(model, iter([batch[0]]))
        for norm in norms(model):
            norm.eval()
        for losses in self.local_losses.values():
            losses.clear()

    def targets(self, x: Tensor) -> dict[str, Tensor]:
        """â_l by layer, `[N, C, H, W]`: the rate of each neuron, in spikes a step, that is learnt."""
        by_layer = activations(self.run.require_teacher(), self.run.at_once(x), self.layers, self.params.clip)
        # In a layer of few active neurons the percentile is 0: the target of those few is then the full rate.
        return {l: (a / percentile(a, self.params.percentile).clamp_min(1e-6)).clamp(0, 1) for l, a in by_layer.items()}

    def step(self, model: Network, x: Tensor, y: Tensor) -> StepResult:
        targets, losses = self.targets(x), []

        def learn(layer: str, spikes: Tensor) -> Tensor:
            loss = mse_loss(spikes.mean(0), targets[layer])
            loss.backward()
            losses.append(loss.detach())
            self.local_losses[layer].append(loss.detach())
            return spikes.detach()

        with after_each(model, self.layers, learn):
            outputs = model(x)
        loss, logits = time_mean_cross_entropy(self.run, outputs, y)
        loss.backward()
        total = torch.stack([*losses, loss.detach()]).sum().item()
        return StepResult(total, logits.detach(), x.shape[0] + FORWARD)

    def end_epoch(self, model: Network) -> dict[str, float]:
        seen = {layer: losses for layer, losses in self.local_losses.items() if losses}
        return {f"local_loss_{layer}": torch.stack(losses).mean().item() for layer, losses in seen.items()}


METHOD = OfflineLTL
