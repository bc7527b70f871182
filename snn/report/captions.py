"""The captions of `captions.yaml`, with the numbers of seeds and test recordings filled in from the results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import jinja2
import yaml

from snn.report import text
from snn.report.quantities import trained
from snn.report.results import Results
from snn.statistics import MIN_SEEDS, TOO_FEW, Interval

LEVEL = "95 %"


class Captions:
    """path: of `captions.yaml`."""

    def __init__(self, results: Results, path: Path):
        self._templates = yaml.safe_load(path.read_text(encoding="utf-8"))
        intervals = [(s, i) for s in results.settings if (i := results.interval(s, trained(s))) is not None]
        chance = {text.mean(interval) for s, interval in intervals if s.method == "chance"}
        probed = results.curves.loc[results.curves["phase"] == "probe", "seed"].nunique()
        self._words = {
            "level": LEVEL,
            "n": _n([interval for _, interval in intervals]),
            "chance": " and ".join(sorted(chance)),
            "probed": f"{probed} seed" + "s" * (probed != 1),
        }
        for name, phrase in self._templates["phrases"].items():  # a phrase may hold those above it
            self._words[name] = self._fill(phrase)

    def phrase(self, name: str) -> str:
        return self._words[name]

    def of(self, kind: str, name: str) -> dict[str, str]:
        """title, text (with method of the interval and n) and alt of a table or figure.

        kind: "tables" or "figures".
        """
        caption = self._templates[kind][name]
        return {"alt": "", **caption, "text": self._fill(caption["text"])}

    def _fill(self, template: str) -> str:
        return jinja2.Template(template, undefined=jinja2.StrictUndefined).render(self._words).strip()


def _n(intervals: Sequence[Interval]) -> str:
    """`3 seeds × 1,000 test recordings`; `1, 3 or 5 seeds × ... (1: too few seeds for an interval)`."""
    seeds = sorted({i.n_seeds for i in intervals})
    few = [str(n) for n in seeds if n < MIN_SEEDS]
    words = " or ".join(", ".join(map(str, seeds or [0])).rsplit(", ", 1)) + (" seed" if seeds == [1] else " seeds")
    samples = sorted({i.n_samples for i in intervals} - {0}) or [0]
    words += f" × {' or '.join(f'{n:,}' for n in samples)} test recordings"
    return words + (f" ({' and '.join(few)}: {TOO_FEW} for an interval)" if few else "")
