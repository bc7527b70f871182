"""NMT: naive mixture training, the ablation of MTT (Du, Wu, Deng, Gu; ICLR 2025; arXiv 2503.17394).

MTT with G = 1 [authors' code]: each of the s configurations of a mini-batch is one number of time steps, a uniform
integer in [T_min, T_max], shared by all stages. Over the training the network runs at every T, but at one T at a time:
unlike in MTT, T never changes between two stages. Everything else is `snn/methods/mtt.py`.
"""

from __future__ import annotations

from typing import Any

from snn.config.blocks import Train
from snn.errors import ConfigError
from snn.methods.mtt import MTT
from snn.neurons.spec import NeuronSpec


class NMT(MTT):
    @classmethod
    def check(cls, params: Any, t_train: int, train: Train, neuron: NeuronSpec) -> None:
        super().check(params, t_train, train, neuron)
        if (params.group_size, params.transformation) != (1, "sum"):
            raise ConfigError(
                "methods.nmt: all stages share one number of time steps, so that group_size and transformation change "
                "nothing; set them in methods.mtt"
            )

    def draw(self, stages: int) -> list[int]:
        return super().draw(1) * stages


METHOD = NMT
