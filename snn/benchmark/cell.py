"""A cell: (dataset, network, method, t_train, seed) of a benchmark, and where its files lie."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path

from snn.errors import ConfigError


@dataclass(frozen=True, order=True)
class Cell:
    dataset: str
    network: str
    method: str
    t_train: int
    seed: int

    @property
    def key(self) -> str:
        """Its path below `results/<benchmark>/cells/`, and its name everywhere else."""
        return f"{self.dataset}/{self.network}/{self.method}/T{self.t_train}/seed{self.seed}"

    @classmethod
    def parse(cls, key: str) -> Cell:
        match = re.fullmatch(r"([^/]+)/([^/]+)/([^/]+)/T(\d+)/seed(\d+)", key.strip("/"))
        if not match:
            raise ConfigError(f"{key!r} is not a cell; expected dataset/network/method/T<t>/seed<s>")
        dataset, network, method, t_train, seed = match.groups()
        return cls(dataset, network, method, int(t_train), int(seed))

    def asdict(self) -> dict:
        return asdict(self)


def results(benchmark: str, root: str | Path = "results") -> Path:
    return Path(root) / benchmark
