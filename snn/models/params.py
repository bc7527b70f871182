"""The parameters that networks have in common, as keys of `networks.<name>`. A family states its own defaults."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from snn.config.blocks import Model

Norm = Literal["none", "scale", "tescale", "batch", "tdbn", "tebn"]
Decision = Literal["spiking", "membrane"]


class NetworkParams(Model):
    """Parameters of every network."""

    norm: Norm = Field("none", description="normalisation after each layer of weights but the readout")
    gain: float = Field(1.0, gt=0, description="initial factor of the normalisation")
    readout: Decision = Field(
        "spiking", description="spiking: spike counts decide; membrane: currents summed over time"
    )


class LargeParams(NetworkParams):
    """Parameters of the networks of the literature, which are published with BatchNorm."""

    norm: Norm = "batch"
    readout: Decision = "membrane"
    bias: bool = Field(False, description="biases of linear layers, and of convolutions without BatchNorm behind them")
    width: float = Field(1.0, gt=0, description="factor of all numbers of channels but those of input and classes")

    def channels(self, published: int) -> int:
        """The number of channels of a layer that has `published` channels at width 1; at least 1."""
        return max(1, round(self.width * published))

    @property
    def layer_bias(self) -> bool:
        """Whether layers before a normalisation have a bias. BatchNorm of any kind has one of its own."""
        return self.bias and self.norm not in ("batch", "tdbn", "tebn")
