"""How methods, networks and modes are called and drawn: one colour and one marker a method, in every figure.

Colours are Okabe and Ito's, safe for colour-blind readers; methods of one family share a colour and differ in marker
and line. Ink, grid and paper are stand-ins that the page replaces by its own light or dark colours.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

INK, FAINT, GRID, PAPER = "#1b1f24", "#6b7280", "#d8dbe0", "#fefefe"


class Look(NamedTuple):
    label: str
    colour: str
    marker: str
    dashes: tuple[float, ...] = ()

    @property
    def linestyle(self) -> tuple[float, tuple[float, ...]] | Literal["-"]:
        """As matplotlib takes it."""
        return (0, self.dashes) if self.dashes else "-"


METHODS = {
    "sdt": Look("SDT", "#0072B2", "o"),
    "sdt-matched": Look("SDT, matched compute", "#56B4E9", "s", (4, 1.5)),
    "sdt*": Look("SDT* (trained at each T)", "#0072B2", "D", (1, 1.5)),
    "mtt": Look("MTT", "#D55E00", "^"),
    "nmt": Look("NMT", "#E69F00", "v", (4, 1.5)),
    "tet": Look("TET", "#009E73", "P"),
    "shortcut": Look("Shortcut", "#CC79A7", "X"),
    "shortcut-evolutionary": Look("Shortcut, evolutionary", "#CC79A7", "d", (4, 1.5)),
    "shortcut-per-head": Look("Shortcut, one loss per head", "#CC79A7", "*", (1, 1.5)),
    "dspike": Look("Dspike", "#B8A400", "h"),
    "dspike-fixed": Look("Dspike, fixed", "#B8A400", "H", (4, 1.5)),
    "dspike-frequent": Look("Dspike, updated often", "#B8A400", "d", (1, 1.5)),
    "ltl-offline": Look("LTL, offline", "#7B5EA7", "<"),
    "ltl-online": Look("LTL, online", "#7B5EA7", ">", (4, 1.5)),
    "conversion": Look("ANN-to-SNN conversion", "#8C6D46", "8"),
    "qcfs": Look("QCFS conversion", "#8C6D46", "p", (4, 1.5)),
    "srp": Look("SRP conversion", "#8C6D46", "*", (1, 1.5)),
    "sltt": Look("SLTT", "#BB3366", "o", (4, 1.5)),
    "sltt-k": Look("SLTT-K", "#BB3366", "s", (1, 1.5)),
    "ottt": Look("OTTT", "#44AA99", "D"),
    "ratebp": Look("RateBP", "#4B5FD6", "v"),
    "kd": Look("KD", "#AA4499", "P", (4, 1.5)),
    "tkd": Look("TKD", "#AA4499", "X"),
    "as-given": Look("As given, not trained", "#44AA99", "p"),
    "ann": Look("ANN", FAINT, "p"),
    "ann-ltl": Look("ANN, LTL's teacher", FAINT, "<", (4, 1.5)),
    "ann-qcfs": Look("ANN, QCFS", FAINT, "8", (1, 1.5)),
    "chance": Look("Chance", FAINT, "x", (1, 1.5)),
}
_SHORT = {
    "sdt-matched": "SDT, matched",
    "sdt*": "SDT*",
    "shortcut-evolutionary": "Shortcut, evol.",
    "shortcut-per-head": "Shortcut, per head",
    "dspike-frequent": "Dspike, often",
    "conversion": "Conversion",
    "qcfs": "QCFS",
    "srp": "SRP",
    "as-given": "As given",
    "ann-ltl": "ANN, teacher",
}
_SPARE = ("#117733", "#999933", "#CC3311", "#6699CC", "#A67C00", "#888888")
_ORDER = list(METHODS)
_NETWORKS = {"3c1fc": "3C1FC"}
_MODES = {
    "clock": "Clock-driven",
    "clock-events": "Clock-driven, one event a step",
    "event-float": "Event-driven, float",
    "event-int8": "Event-driven, int8",
    "event-dynapcnn": "Event-driven, int8 as on Speck",
    "event-float-depth": "Event-driven, float, depth-first",
    "event-int8-depth": "Event-driven, int8, depth-first",
}


def look(method: str, others: Iterable[str] = ()) -> Look:
    """How `method` is drawn. A method that is not listed gets a spare colour, by its place among the unlisted
    `others`."""
    if method in METHODS:
        return METHODS[method]
    unknown = sorted({*others, method} - set(METHODS))
    i = unknown.index(method)
    return Look(method, _SPARE[i % len(_SPARE)], "o^svDP"[i // len(_SPARE) % 6])


def order(method: str) -> tuple[int, str]:
    """Sort key: the controls first, then the methods as listed above, then all others by name."""
    if method in ("chance", "ann"):
        return -2 + (method == "ann"), method
    return (_ORDER.index(method), method) if method in METHODS else (len(_ORDER), method)


def method_label(method: str) -> str:
    """As tables and legends write it; a method that is not listed keeps its own name."""
    return look(method).label


def short_label(method: str, others: Iterable[str] = ()) -> str:
    """As figures write it beside its line."""
    return _SHORT.get(method, look(method, others).label)


def network_label(network: str) -> str:
    """As tables and titles write it."""
    return _NETWORKS.get(network, network)


def mode_label(mode: str, t: int | None = None) -> str:
    """`Clock-driven, T = 20`, `Event-driven, int8`."""
    return _MODES.get(mode, mode) + (f", T = {t}" if t else "")


def mode_order(mode: str) -> tuple[int, str]:
    """Sort key: clock-driven first, then event-driven modes as listed above, then others by name."""
    modes = list(_MODES)
    return (modes.index(mode) if mode in modes else len(modes)), mode
