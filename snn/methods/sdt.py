"""SDT: standard direct training, the baseline of the field and the model example of a method file.

The network unfolds over a fixed number T of time steps; spikes pass gradients through a surrogate (of the neuron),
and the cross-entropy of the logits decoded over time is back-propagated through time:

    L = CE( scale · mean_t o[t], y )          o[t]: readout at step t, [N, K]

(`train.logits: sum` takes the sum over time instead of the mean [ours].) A method needs no more than this file: copy
it, change `loss` (or `step`), declare hyper-parameters as `Params` if there are any, and name it in `matrix.methods`.
"""

from __future__ import annotations

from torch import Tensor

from snn.models.stages import Network
from snn.training.method import Method, time_mean_cross_entropy


class SDT(Method[Network]):
    paper = "Wu et al., Spatio-Temporal Backpropagation for Training High-Performance SNNs, Front. Neurosci. 2018"

    def loss(self, model: Network, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return time_mean_cross_entropy(self.run, model(x), y)


METHOD = SDT
