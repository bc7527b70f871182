"""NMT: naive mixture training, the ablation of MTT (Du, Wu, Deng, Gu; ICLR 2025; arXiv 2503.17394).

MTT with G = 1 [authors' code]: each of the s configurations of a mini-batch is one number of time steps, a uniform
integer in [T_min, T_max], shared by all stages. Over the training the network runs at every T, but at one T at a time:
unlike in MTT, T never changes between two stages. Everything else is `snn/methods/mtt.py`.
"""

from __future__ import annotations

from snn.methods.mtt import MTT


class NMT(MTT):
    def draw(self, stages: int) -> list[int]:
        return super().draw(1) * stages


METHOD = NMT
