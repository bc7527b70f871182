"""SDT: standard direct training, the baseline of the field and the model example of a method file.

The network unfolds over a fixed number T of time steps; spikes pass gradients through a surrogate (of the neuron),
and the cross-entropy of the logits decoded over time is back-propagated through time:

    L = CE( scale · mean_t o[t], y )          o[t]: readout at step t, [N, K]

(`train.logits: sum` takes the sum over time instead of the mean [ours].) This file is all that a method needs: copy
it, change `loss` (or `step`), add a `methods.<name>` block if it has hyper-parameters, and name it in `matrix`.
"""

from __future__ import annotations

from torch import Tensor, nn

from snn.training.method import Method, time_mean_cross_entropy


class SDT(Method):
    paper = "Wu et al., Spatio-Temporal Backpropagation for Training High-Performance SNNs, Front. Neurosci. 2018"

    def loss(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return time_mean_cross_entropy(self.run, model(x), y)


METHOD = SDT
