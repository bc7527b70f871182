"""SDT with MTT's compute: the control that shows whether more compute alone explains a gain of MTT.

Standard direct training given as many forward and backward time steps as MTT spends: the epochs are multiplied by
MTT's theoretical factor s (T_min + T_max) / (2 T_max), rounded to whole epochs, the schedule stretched alike [ours].
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from snn.config.blocks import Model
from snn.errors import ConfigError
from snn.methods.sdt import SDT


class SDTMatched(SDT):
    class Params(Model):
        draws: int = Field(3, ge=1, description="MTT's s: temporal configurations a mini-batch")
        t_min: int = Field(1, ge=1, description="MTT's T_min; its T_max is t_train")

    @classmethod
    def check_beside(cls, params: Params, others: dict[str, Any]) -> None:
        for key in ("draws", "t_min"):
            own, mtt = getattr(params, key), getattr(others.get("mtt", params), key)
            if own != mtt:
                raise ConfigError(
                    f"methods.sdt-matched.{key} = {own}, but methods.mtt.{key} = {mtt}: it would not have MTT's "
                    "compute; set both to the same value"
                )

    @classmethod
    def epochs(cls, params: Params, epochs: int, t_train: int) -> int:
        return max(1, round(epochs * params.draws * (params.t_min + t_train) / (2 * t_train)))


METHOD = SDTMatched
