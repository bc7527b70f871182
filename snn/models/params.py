"""The parameters that networks have in common, by key under `networks.<name>`. A family states its own defaults."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from snn.config.blocks import Model

Norm = Literal["none", "scale", "batch"]
Decision = Literal["spiking", "membrane"]


class NetworkParams(Model):
    norm: Norm = Field("none", description="normalisation after each layer of weights but the readout")
    gain: float = Field(1.0, gt=0, description="initial factor of the normalisation")
    readout: Decision = Field("spiking", description="spike counts decide, or the currents summed up (membrane)")


class LargeParams(NetworkParams):
    """Of the networks of the literature, which come with BatchNorm."""

    norm: Norm = "batch"
    readout: Decision = "membrane"
    bias: bool = Field(False, description="biases of linear layers, and of convolutions without BatchNorm behind them")
    width: float = Field(1.0, gt=0, description="factor on all numbers of channels but the input's and the classes")

    def channels(self, published: int) -> int:
        """How many channels a layer has that was published with so many."""
        return max(1, round(self.width * published))

    @property
    def layer_bias(self) -> bool:
        """Whether layers in front of a normalisation have a bias: BatchNorm has one of its own."""
        return self.bias and self.norm != "batch"
