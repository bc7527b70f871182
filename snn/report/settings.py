"""What the report takes from the configuration; everything else comes from the collected files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

QUESTION = (
    "Which training rule keeps its accuracy when the number of time steps changes, and when inference is event-driven?"
)


class ReportSettings(NamedTuple):
    """question: the page's headline.
    t_train: the numbers of time steps that the benchmark trains at; a method's main setting is at one of these.
    variants: name of a variant of a network -> name of the network, of those whose network the benchmark has as well.
    They are ablations of it; a variant without it (a narrower VGG, a fine-tuned network) is a network like any other,
    that headline sentences and claims are about.
    """

    question: str = QUESTION
    t_train: tuple[int, ...] = ()
    variants: Mapping[str, str] = {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> ReportSettings:
        """The only place that reads the configuration's keys; each may be missing."""
        matrix = config.get("matrix", {})
        rectangles = [matrix, *matrix.get("extra", ()), *matrix.get("baselines", {}).values()]
        asked = {network for rectangle in rectangles for network in rectangle.get("networks") or ()}
        bases = {name: variant["base"] for name, variant in config.get("variants", {}).items()}
        return cls(
            question=config.get("question") or QUESTION,
            t_train=tuple(matrix.get("t_train", ())),
            variants={name: base for name, base in bases.items() if base in asked},
        )
