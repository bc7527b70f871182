"""LTL, online: local tandem learning at every time step (Yang, Wu et al.; NeurIPS 2022; arXiv 2210.04532).

As `snn/methods/ltl_offline.py`, but at every step t ≥ T_warm, with the counts so far and without a graph over time:

    L_l[t] = mean (C_l[t]/(t+1) - â_l)²,   C_l[t] = C_l[t-1] + s_l[t],   t = 0 … T-1,   p = 99
    L_o[t] = CE(decode(o[0] … o[t]), y)

in which only the path through step t is differentiated: C_l[t-1], the membranes and the spikes that enter a layer are
detached. For a layer of weights W, with N values in the mean and u its membrane before the reset:

    ∂L_l[t]/∂W = (2/N) (C_l[t]/(t+1) - â_l) · 1/(t+1) · g(u[t]) · s_{l-1}[t]ᵀ        g: the surrogate

Backward is called inside the time loop, layer by layer, so what is kept does not grow with T (the published code keeps
one graph over all steps and saves nothing). The gradients of the steps add up; the optimiser steps once a batch.

T_warm = 12 at T = 16 in the published code, here a fraction of T, ⌊0.75·T⌋ [ours, as the suite has other T]. The first
T_warm steps run without gradient. Teacher, percentile, clip, readout and normalisation: see `ltl_offline`.

History: `local_loss_<layer>`, the mean of L_l[t] over the steps t ≥ T_warm and the iterations of the epoch.

Time steps: T - T_warm, and T_warm and the teacher's pass at `FORWARD` each.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from snn.methods.ltl_offline import OfflineLTL
from snn.methods.shared.online import one_step, refuse_temporal_norms
from snn.methods.shared.teacher import after_each
from snn.models.stages import Network
from snn.training.method import FORWARD, StepResult


class OnlineLTL(OfflineLTL):
    class Params(OfflineLTL.Params):
        percentile: float = Field(
            99.0, gt=0, le=100, description="p: the percentile of the activations that a full rate stands for"
        )
        warm: float = Field(
            0.75, ge=0, lt=1, description="T_warm as a fraction of T: the first steps, without learning"
        )

    def prepare(self, network: Network) -> Network:
        refuse_temporal_norms(network)
        return super().prepare(network)

    def step(self, model: Network, x: Tensor, y: Tensor) -> StepResult:
        from spikingjelly.activation_based import functional  # takes seconds to import

        steps, warm, targets = x.shape[0], int(self.params.warm * x.shape[0]), self.targets(x)
        counts: dict[str, Tensor | float] = dict.fromkeys(self.layers, 0.0)
        output = x.new_zeros(1, len(y), self.run.classes)  # the readout, summed over the steps so far
        total = torch.zeros((), device=x.device)

        def learn(layer: str, spikes: Tensor) -> Tensor:
            count = counts[layer] + spikes[0]
            counts[layer] = count.detach()
            if t >= warm:
                loss = mse_loss(count / (t + 1), targets[layer])
                backward(loss)
                self.local_losses[layer].append(loss.detach())
            return spikes.detach()

        def backward(loss: Tensor) -> None:
            loss.backward()
            total.add_(loss.detach())

        functional.reset_net(model)
        with after_each(model, self.layers, learn):
            for t in range(steps):
                with torch.set_grad_enabled(t >= warm):
                    output = output + one_step(model, x[t : t + 1])
                    logits = self.run.decode(output) / (t + 1 if self.run.train.logits == "mean" else 1)
                    if t >= warm:
                        backward(cross_entropy(logits, y))
                functional.detach_net(model)
                output = output.detach()
        return StepResult(total.item(), logits.detach(), steps - warm + (warm + 1) * FORWARD)


METHOD = OnlineLTL
