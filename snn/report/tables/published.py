"""Published numbers beside ours, each with what differs between the two protocols; the numbers are in a data file."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from snn.report import text
from snn.report.results import Panel, Quantity, Results, Setting
from snn.report.style import method_label, mode_label, network_label
from snn.report.tables.builder import Table

MEASURED = {"clock": "Clock-driven", "simulator": "Authors' event simulator", "chip": "Speck2e chip"}


def beside(results: Results, path: Path) -> Table:
    """The published rows about networks and data sets of this benchmark, with our number beside each.

    path: the file of published numbers.
    """
    published = _read(path)
    data, view = [], []
    for row in published["rows"]:
        for panel in results.panels:
            if not _comparable(row, panel, published["beside"]):
                continue
            evaluation = _our_evaluation(results, panel, row, published["beside"]["modes"])
            ours = results.interval(*evaluation) if evaluation else None
            differs = "; ".join(_differences(row, panel, published["differences"], _part(results, panel)))
            tidy = row | {"our_dataset": panel.dataset, "our_network": panel.network, "differs": differs}
            measured = text.NONE
            if evaluation and ours:
                quantity = evaluation[1]
                tidy |= {"t_eval": quantity.t, "mode": quantity.mode, **vars(ours)}
                measured = mode_label(quantity.mode, quantity.t)
            data.append(tidy)
            cells = {
                "Ours (%)": text.percent(ours),
                "Ours on": f"{panel.dataset}, {network_label(panel.network)}",
                "Ours measured": measured,
                "n": text.seeds(ours),
            }
            view.append(_published(row) | cells | {"What differs": differs})
    return Table("published", pd.DataFrame(data), pd.DataFrame(view))


def others(results: Results, path: Path) -> pd.DataFrame:
    """The published rows about anything else, as people read them."""
    published = _read(path)
    shown = {
        (row["dataset"], row["network"])
        for row in published["rows"]
        for panel in results.panels
        if _comparable(row, panel, published["beside"])
    }
    rows = [row for row in published["rows"] if (row["dataset"], row["network"]) not in shown]
    return pd.DataFrame([_published(row) | {"Note": row.get("note", "")} for row in rows])


def papers(path: Path) -> dict[str, str]:
    """Short name of each paper -> authors, title, venue."""
    return {name: paper["title"] for name, paper in _read(path)["papers"].items()}


def _read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _published(row: dict) -> dict[str, str]:
    return {
        "Paper": row["paper"],
        "Data set, network": f"{row['dataset']}, {row['network']}",
        "Measured": MEASURED[row["measured"]] + (f", T = {row['t']}" if "t" in row else ""),
        "Method": method_label(row["method"]),
        "Published (%)": str(row["percent"]),
        "Source": row["source"],
    }


def _comparable(row: dict, panel: Panel, beside: dict) -> bool:
    """Whether a published row may stand beside our numbers on a panel."""

    def fits(published: str, ours: str, patterns: dict[str, list[str]]) -> bool:
        return any(fnmatch(ours.lower(), pattern) for pattern in patterns.get(published, []))

    return fits(row["dataset"], panel.dataset, beside["datasets"]) and fits(
        row["network"], panel.network, beside["networks"]
    )


def _our_evaluation(results: Results, panel: Panel, row: dict, modes: dict) -> tuple[Setting, Quantity] | None:
    """Our setting and quantity that come nearest to a published row."""
    s = results.find(panel, row["method"])
    if s is None:
        return None
    if row["measured"] != "clock":
        mode = next((mode for mode in modes[row["measured"]] if mode in results.event_modes(s)), None)
        return (s, Quantity("deploy", mode, None)) if mode else None
    t = row.get("t", s.t_train)
    trained = s._replace(t_train=t)
    if results.values(trained, Quantity("train", "clock", t)):
        return trained, Quantity("train", "clock", t)
    if results.values(s, Quantity("sweep", "clock", t)):
        return s, Quantity("sweep", "clock", t)
    return s, Quantity("train", "clock", s.t_train)


def _part(results: Results, panel: Panel) -> str | None:
    """What of a data set ours is, where its manifest says that something is missing or that it is a copy."""
    manifest = results.provenance.get("manifests", {}).get(panel.dataset, {})
    copy = manifest.get("provenance", {}).get("copy")
    if not manifest.get("missing") and not copy:
        return None
    counts = {split: sum(of.values()) for split, of in manifest["counts"].items()}
    clause = f"ours is {manifest['title']}, {counts['train']:,} training and {counts['test']:,} test recordings"
    return clause + (f" ({copy})" if copy else "")


def _differences(row: dict, panel: Panel, differences: dict, part: str | None) -> list[str]:
    datasets = differences["datasets"].items()
    ours = next((clause for pattern, clause in datasets if fnmatch(panel.dataset, pattern)), part)
    clauses = [
        row.get("note"),
        differences["papers"].get(row["paper"]),
        ours,
        differences["modes"].get(row["measured"]),
    ]
    return [clause for clause in clauses if clause]
