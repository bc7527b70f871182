"""Published numbers beside ours, each with what differs between the two protocols; the numbers are in a data file."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

import pandas as pd
import yaml

from snn.report import text
from snn.report.results import Panel, Results, Setting, What
from snn.report.style import method_label, mode_label, network_label
from snn.report.tables import Table

MEASURED = {"clock": "Clock", "simulator": "Authors' event simulator", "chip": "Speck2e chip"}


def beside(results: Results, path: Path) -> Table:
    """The published rows about networks and data sets of this benchmark, with our number beside each."""
    known = yaml.safe_load(path.read_text(encoding="utf-8"))
    data, view = [], []
    for row in known["rows"]:
        for panel in results.panels:
            if _fits(row["dataset"], panel.dataset, known["beside"]["datasets"]) and _fits(
                row["network"], panel.network, known["beside"]["networks"]
            ):
                s, what = _ours(results, panel, row, known["beside"]["modes"])
                ours = results.interval(s, what) if s else None
                differs = "; ".join(_differences(row, panel, known["differences"], _part(results, panel)))
                mine = {} if ours is None else {"t_eval": what.t, "mode": what.mode, **vars(ours)}
                data.append(
                    {**row, "our_dataset": panel.dataset, "our_network": panel.network, "differs": differs} | mine
                )
                where = f"{panel.dataset}, {network_label(panel.network)}"
                at = text.NONE if ours is None else mode_label(what.mode, what.t)
                cells = {"Ours (%)": text.percent(ours), "Ours on": where, "Ours measured": at, "n": text.seeds(ours)}
                view.append(_published(row) | cells | {"What differs": differs})
    return Table("published", pd.DataFrame(data), pd.DataFrame(view))


def others(results: Results, path: Path) -> pd.DataFrame:
    """The published rows about anything else."""
    known = yaml.safe_load(path.read_text(encoding="utf-8"))
    near = {
        (row["dataset"], row["network"])
        for row in known["rows"]
        for panel in results.panels
        if _fits(row["dataset"], panel.dataset, known["beside"]["datasets"])
        and _fits(row["network"], panel.network, known["beside"]["networks"])
    }
    rows = [row for row in known["rows"] if (row["dataset"], row["network"]) not in near]
    return pd.DataFrame([_published(row) | {"Note": row.get("note", "")} for row in rows])


def papers(path: Path) -> dict[str, str]:
    known = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: paper["title"] for name, paper in known["papers"].items()}


def _published(row: dict) -> dict[str, str]:
    return {
        "Paper": row["paper"],
        "Data set, network": f"{row['dataset']}, {row['network']}",
        "Measured": MEASURED[row["measured"]] + (f", T = {row['t']}" if "t" in row else ""),
        "Method": method_label(row["method"]),
        "Published (%)": str(row["percent"]),
        "Source": row["source"],
    }


def _fits(theirs: str, ours: str, table: dict[str, list[str]]) -> bool:
    return any(fnmatch(ours.lower(), pattern) for pattern in table.get(theirs, []))


def _ours(results: Results, panel: Panel, row: dict, modes: dict) -> tuple[Setting | None, What | None]:
    """Our setting and quantity that come nearest to a published row."""
    s = results.find(panel, row["method"])
    if s is None:
        return None, None
    if row["measured"] != "clock":
        mode = next((mode for mode in modes[row["measured"]] if mode in results.event_modes(s)), None)
        return (s, What("deploy", mode, None)) if mode else (None, None)
    t = row.get("t", s.t_train)
    trained = s._replace(t_train=t)
    if results.values(trained, What("train", "clock", t)):
        return trained, What("train", "clock", t)
    if results.values(s, What("sweep", "clock", t)):
        return s, What("sweep", "clock", t)
    return s, What("train", "clock", s.t_train)


def _part(results: Results, panel: Panel) -> str | None:
    """What of a data set ours is, where its manifest says that something is missing or that it is a copy."""
    manifest = results.provenance.get("manifests", {}).get(panel.dataset, {})
    copy = manifest.get("provenance", {}).get("copy")
    if not manifest.get("missing") and not copy:
        return None
    counts = {split: sum(of.values()) for split, of in manifest["counts"].items()}
    clause = f"ours is {manifest['title']}, {counts['train']:,} training and {counts['test']:,} test recordings"
    return clause + (f" ({copy})" if copy else "")


def _differences(row: dict, panel: Panel, known: dict, part: str | None) -> list[str]:
    ours = next((clause for pattern, clause in known["datasets"].items() if fnmatch(panel.dataset, pattern)), part)
    clauses = [row.get("note"), known["papers"].get(row["paper"]), ours, known["modes"].get(row["measured"])]
    return [clause for clause in clauses if clause]
