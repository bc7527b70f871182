"""Dspike at a fixed temperature: standard direct training with the Dspike surrogate (Li, Guo et al.; NeurIPS 2021).

    D_b(x) = (tanh(b(x - 1/2)) + tanh(b/2)) / (2 tanh(b/2)),   0 ≤ x ≤ 1,   x = u/(2θ)

Forward is the hard spike (x at or above 1/2), backward D_b'(x), and 0 outside of [0, 1]; b → 0 is a straight line,
b → ∞ the step. The surrogate itself is in `snn/neurons/surrogates.py`; this method uses it in place of the configured
one and leaves everything else (threshold, reset, leak, `periodic`) as configured. The neurons of a spiking readout keep
the configured surrogate [ours]: Dspike's is 0 for a negative membrane, where an output neuron would never learn; the
published networks have no spiking readout. b = 3 [ours]: the paper's starting value is not known.

The control of `dspike`, which adapts b during training. SpikingJelly's SpikeDHS model has this surrogate too, for a
fixed temperature; ours is the same function with the threshold as the unit, and its temperature can change.
"""

from __future__ import annotations

from pydantic import Field

from snn.config.blocks import Model
from snn.methods.sdt import SDT
from snn.methods.shared.neurons import use_surrogate
from snn.models.stages import Network
from snn.neurons import SurrogateSpec


class FixedDspike(SDT):
    paper = "Li, Guo, Zhang, Deng, Hai, Gu, Differentiable Spike: Rethinking Gradient-Descent for SNNs, NeurIPS 2021"

    class Params(Model):
        temperature: float = Field(3.0, gt=0, description="b")

    def prepare(self, network: Network) -> Network:
        use_surrogate(network, SurrogateSpec(name="dspike", temperature=self.params.temperature))
        return network


METHOD = FixedDspike
