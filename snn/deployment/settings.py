"""How a network is deployed: in which numbers, in which order, with which lower bound and reset of the membrane."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Literal

from snn.errors import UserError
from snn.events import Engine, EventNetwork

TRAINED: Literal["trained"] = "trained"
"""The value of a constant that stays as the network's file has it."""

LowerBound = float | None | Literal["trained"]


@dataclass(frozen=True)
class Setting:
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
            changes.append(f"v_min={'none' if self.v_min is None else f'{self.v_min:g}'}")
        if self.reset != TRAINED:
            changes.append(f"reset={self.reset}")
        depth = "-depth" if self.order == "depth" else ""
        return f"event-{self.numbers}{depth}" + ("@" + ",".join(changes) if changes else "")

    @classmethod
    def parse(cls, name: str) -> Setting:
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

    def engine(self, network: EventNetwork) -> Engine:
        """The engine that runs it; UserError where the setting's numbers cannot hold a threshold."""
        return Engine(self.network(network), self.numbers, self.order)


def crossed(names: Iterable[str], lower_bounds: Iterable[LowerBound], resets: Iterable[str]) -> list[Setting]:
    """The settings of these names, then each of them in breadth-first order with every lower bound and reset.

    Depth-first order differs from it in networks with branches only and is not crossed.
    """
    settings = [Setting.parse(name) for name in names]
    others = [
        Setting(setting.numbers, setting.order, v_min, reset)
        for setting in settings
        if setting.order == "breadth"
        for v_min, reset in product([*lower_bounds] or [TRAINED], [*resets] or [TRAINED])
    ]
    return list(dict.fromkeys([*settings, *others]))
