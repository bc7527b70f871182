"""A cell of a benchmark: one data set, network, method, number of training time steps and seed."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from snn.errors import ConfigError


def pattern(methods: str = "[^/]+") -> str:
    """A regular expression for the keys of cells; methods: for their methods' names."""
    return rf"[^/]+/[^/]+/{methods}/T\d+/seed\d+"


@dataclass(frozen=True, order=True)
class Cell:
    """dataset, network, method: names; t_train: time steps T of its training (1 for methods without time); seed."""

    dataset: str
    network: str
    method: str
    t_train: int
    seed: int

    @property
    def key(self) -> str:
        """Its name everywhere, and its path below `results/<benchmark>/cells/`."""
        return f"{self.dataset}/{self.network}/{self.method}/T{self.t_train}/seed{self.seed}"

    @classmethod
    def parse(cls, key: str) -> Cell:
        """The cell of this key; ConfigError if it is none."""
        if not re.fullmatch(pattern(), key.strip("/"), re.ASCII):
            raise ConfigError(f"{key!r} is not a cell; expected dataset/network/method/T<t>/seed<s>")
        dataset, network, method, t_train, seed = key.strip("/").split("/")
        return cls(dataset, network, method, int(t_train[1:]), int(seed[4:]))

    def asdict(self) -> dict[str, Any]:
        return asdict(self)
