"""How a network is deployed: in which numbers, in which order, with which lower bound and reset of the membrane."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Literal

from snn.errors import UserError
from snn.events.engine import Engine
from snn.events.network import EventNetwork

TRAINED: Literal["trained"] = "trained"
"""The value of a constant that stays as the network's file has it."""

LowerBound = float | None | Literal["trained"]


@dataclass(frozen=True)
class Deployment:
    """One way to deploy a network.

    numbers, order: modes and orders of `snn.events.Engine`; v_min: the lower bound of all membranes in their unit, None
    for none; reset: `soft` or `hard`. Both may be `trained`.
    """

    numbers: str = "float"
    order: str = "breadth"
    v_min: LowerBound = TRAINED
    reset: str = TRAINED

    @property
    def name(self) -> str:
        """The mode in metrics and tables, e.g. `event-int8-depth` or `event-float@v_min=-4,reset=hard`."""
        changes = []
        if self.v_min != TRAINED:
            changes.append(f"v_min={bound_label(self.v_min)}")
        if self.reset != TRAINED:
            changes.append(f"reset={self.reset}")
        depth = "-depth" if self.order == "depth" else ""
        return f"event-{self.numbers}{depth}" + ("@" + ",".join(changes) if changes else "")

    @property
    def is_as_trained(self) -> bool:
        """Whether bound and reset are those of the network's file."""
        return self.v_min == self.reset == TRAINED

    @property
    def as_trained(self) -> Deployment:
        """The same numbers and order, with the bound and reset of the network's file."""
        return Deployment(self.numbers, self.order)

    @property
    def label(self) -> str:
        """Bound and reset for people."""
        bound = "" if self.v_min == TRAINED else f"bound {bound_label(self.v_min)}"
        return ", ".join(filter(None, [bound, "" if self.reset == TRAINED else f"{self.reset} reset"])) or "as trained"

    @classmethod
    def parse(cls, name: str) -> Deployment:
        """The setting of this name; UserError if it is none."""
        mode, _, changes = name.partition("@")
        kind, _, numbers = mode.partition("-")
        values = dict(change.split("=", 1) for change in changes.split(",") if "=" in change)
        bound = values.get("v_min", TRAINED)
        try:
            setting = cls(
                numbers=numbers.removesuffix("-depth"),
                order="depth" if numbers.endswith("-depth") else "breadth",
                v_min=TRAINED if bound == TRAINED else None if bound == "none" else float(bound),
                reset=values.get("reset", TRAINED),
            )
        except ValueError:
            setting = None
        if kind != "event" or setting is None or setting.name != name:
            raise UserError(f"{name!r} is no way to deploy a network; expected e.g. event-int8@v_min=-4,reset=soft")
        return setting

    def network(self, network: EventNetwork) -> EventNetwork:
        """The network with this setting's lower bound and reset."""
        constants = {"v_min": self.v_min, "reset": self.reset}
        return network.with_neurons(**{key: value for key, value in constants.items() if value != TRAINED})

    def same(self, network: EventNetwork) -> tuple[object, ...]:
        """Equal for two settings exactly where they run the same: the trained bound may be among those tried."""
        neurons = ((p.v_min, p.reset) for p in self.network(network).populations)
        return self.numbers, self.order, *neurons

    def engine(self, network: EventNetwork) -> Engine:
        """The engine that runs it; UserError where the setting's numbers cannot hold a threshold."""
        return Engine(self.network(network), self.numbers, self.order)


def bound_label(v_min: LowerBound) -> str:
    """`-4`, `none` or `trained`."""
    return "none" if v_min is None else v_min if isinstance(v_min, str) else f"{v_min:g}"


def bound_order(v_min: LowerBound) -> tuple[int, float]:
    """Sort key: the trained bound, then from the highest to none at all."""
    return (0, 0.0) if isinstance(v_min, str) else (2, 0.0) if v_min is None else (1, -v_min)


def crossed(names: Iterable[str], lower_bounds: Iterable[LowerBound], resets: Iterable[str]) -> list[Deployment]:
    """The settings of these names, then each of them in breadth-first order with every lower bound and reset.

    Depth-first order differs from it in networks with branches only and is not crossed.
    """
    settings = [Deployment.parse(name) for name in names]
    others = [
        Deployment(setting.numbers, setting.order, v_min, reset)
        for setting in settings
        if setting.order == "breadth"
        for v_min, reset in product([*lower_bounds] or [TRAINED], [*resets] or [TRAINED])
    ]
    return list(dict.fromkeys([*settings, *others]))
