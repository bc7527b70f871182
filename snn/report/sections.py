"""The page's sections between the claims and the explorer: which figures and tables each one shows, in which order.

What a benchmark does not have is left out, a section without anything as a whole; the page says at its end what is
missing and why.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Literal, NamedTuple

Kind = Literal["figure", "table"]


class Part(NamedTuple):
    kind: Kind
    name: str


class Section(NamedTuple):
    """id: in the address; link: in the list of contents."""

    id: str
    link: str
    title: str
    parts: list[Part]


def _section(id_: str, link: str, title: str, parts: str) -> Section:
    """parts: names, figures marked by a star."""
    return Section(
        id_, link, title, [Part("figure" if name[0] == "*" else "table", name.strip("*")) for name in parts.split()]
    )


SECTIONS = [
    _section("accuracy", "Accuracy", "Accuracy after training", "*accuracy accuracy paired *learning_curves"),
    _section("steps", "Time steps", "Accuracy over the number of time steps", "*accuracy_over_t accuracy_over_t"),
    _section(
        "events", "Event-driven", "Event-driven inference",
        "*kept_accuracy *events_through_network *clock_vs_event event_driven accuracy_change *lower_bound "
        "deployment_settings",
    ),
    _section("recordings", "Recordings", "Recording by recording", "lost_recordings lost_together"),
    _section(
        "anytime", "Before the end", "Accuracy before the recording ends",
        "*accuracy_over_time *accuracy_over_events anytime",
    ),
    _section(
        "robustness", "Robustness", "Robustness to simulated hardware non-idealities",
        "*robustness_mismatch *robustness_bits *robustness_noise *robustness_dead_neurons *on_chip_learning "
        "robustness on_chip_learning",
    ),
    _section("cost", "Cost", "Cost of training", "*accuracy_vs_cost cost"),
    _section(
        "mechanisms", "Mechanisms", "Mechanisms",
        "*gradient_depth *gradient_histogram *dspike_temperature *gradient_cosine *ltl_convergence *local_losses "
        "*memory_over_t *time_over_t *flexibility *firing_rates *noise_robustness *loss_landscape",
    ),
]  # fmt: skip

FIRST_PICTURES = ("kept_accuracy", "accuracy_over_t", "accuracy")
"""Of these the first that can be drawn stands beside the answer, and not again below."""


def first_picture(missing: Container[Part]) -> str:
    """Its name; "" where none of them can be drawn."""
    return next((name for name in FIRST_PICTURES if Part("figure", name) not in missing), "")


def shown(missing: Container[Part], first: str) -> list[Section]:
    """The sections with what is there of them; first: the picture beside the answer."""
    kept = [
        section._replace(parts=[p for p in section.parts if p not in missing and p != Part("figure", first)])
        for section in SECTIONS
    ]
    return [section for section in kept if section.parts]
