"""The tables of single recordings: which ones a method loses event-driven, and how far methods agree on them.

A network loses a recording that it classifies correctly clock-driven at the T of training and wrongly event-driven. A
method loses one if at least half of its seeds do.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from snn.report import text
from snn.report.results import Panel, Quantity, Results, Setting
from snn.report.style import method_label, network_label, short_label
from snn.report.tables.builder import Table

SHOWN, MOST_SHOWN = 36, 150
"""Recordings of a network in the table for readers: those lost most often, at least so many, and beyond that all that
some method loses, up to so many. The CSV file has all that are ever lost."""


class Lost(NamedTuple):
    """panel: of the settings; mode: event-driven; recordings [R]: places in the store; seeds: of each setting;
    lost [settings, R]: how many of the seeds lose the recording."""

    panel: Panel
    mode: str
    recordings: np.ndarray
    settings: list[Setting]
    seeds: list[int]
    lost: np.ndarray

    @property
    def by_most(self) -> np.ndarray:
        """Boolean [settings, R]: lost by at least half of the seeds."""
        return 2 * self.lost >= np.maximum(np.array(self.seeds), 1)[:, None]


def lost(results: Results) -> list[Lost]:
    """One for each network on which methods were deployed, over the recordings that all of them share."""
    found = (_of_panel(results, panel) for panel in results.networks)
    return [of_panel for of_panel in found if of_panel is not None]


def _of_panel(results: Results, panel: Panel) -> Lost | None:
    settings = [s for s in results.main_settings(panel) if results.event_modes(s)]
    counted = [(s, of_s) for s in settings if (of_s := _lost_by_seed(results, s)) is not None]
    if not counted:
        return None
    index = counted[0][1].index
    for _, table in counted[1:]:
        index = index.intersection(table.index)
    tables = [table.loc[index] for _, table in counted]
    return Lost(
        panel,
        results.event_modes(counted[0][0])[0],
        index.to_numpy(),
        [s for s, _ in counted],
        [table.shape[1] for table in tables],
        np.stack([table.to_numpy().sum(axis=1) for table in tables]),
    )


def _lost_by_seed(results: Results, s: Setting) -> pd.DataFrame | None:
    """Whether each recording (rows) is lost with each seed (columns); None where no seed has predictions."""
    clock, event = Quantity("deploy", "clock", s.t_train), Quantity("deploy", results.event_modes(s)[0], None)
    columns = {}
    for seed in results.values(s, event):
        pair = [results.correct(s, seed, quantity) for quantity in (clock, event)]
        if pair[0] is not None and pair[1] is not None:
            columns[seed] = pair[0] & ~pair[1]
    return pd.DataFrame(columns).dropna().astype(bool) if columns else None


def lost_recordings(results: Results) -> Table:
    """A row a recording: how many seeds of each method lose it, those lost by most methods first."""
    data, view = [], []
    labels = recording_labels(results)
    for of_panel in lost(results):
        for rank, i in enumerate(order(of_panel)):
            counts = of_panel.lost[:, i]
            where = of_panel.panel._asdict() | {"recording": int(of_panel.recordings[i]), "mode": of_panel.mode}
            data += [
                where | {"method": s.method, "seeds_that_lose_it": int(count), "n_seeds": n}
                for s, count, n in zip(of_panel.settings, counts, of_panel.seeds, strict=True)
            ]
            if rank < SHOWN or (rank < MOST_SHOWN and of_panel.by_most[:, i].any()):
                cells = {"Network": network_label(of_panel.panel.network), "Recording": str(of_panel.recordings[i])}
                cells["Class"] = labels.get((of_panel.panel.dataset, int(of_panel.recordings[i])), text.NONE)
                cells["Methods that lose it"] = f"{int(of_panel.by_most[:, i].sum())} of {len(of_panel.settings)}"
                view.append(cells | {
                    short_label(s.method, results.methods): f"{count}/{n}" if count else "·"
                    for s, count, n in zip(of_panel.settings, counts, of_panel.seeds, strict=True)
                })  # fmt: skip
    columns = ["dataset", "network", "recording", "mode", "method", "seeds_that_lose_it", "n_seeds"]
    return Table("lost_recordings", pd.DataFrame(data, columns=columns), pd.DataFrame(view).fillna(text.NONE))


def order(of_panel: Lost) -> list[int]:
    """The recordings that are lost at all, those lost by most methods, then by most seeds, first."""
    methods, seeds = of_panel.by_most.sum(axis=0), of_panel.lost.sum(axis=0)
    return [int(i) for i in np.lexsort((of_panel.recordings, -seeds, -methods)) if seeds[i]]


def lost_together(results: Results) -> Table:
    """A row a method: of the recordings that it loses, the fraction that each other method loses too."""
    data, view = [], []
    for of_panel in lost(results):
        by_most = of_panel.by_most
        for s, own in zip(of_panel.settings, by_most, strict=True):
            cells = {
                "Network": network_label(of_panel.panel.network),
                "Method": method_label(s.method),
                "Loses": f"{int(own.sum())} of {own.size}",
            }
            for other, its in zip(of_panel.settings, by_most, strict=True):
                both = int((own & its).sum())
                data.append(
                    of_panel.panel._asdict()
                    | {"method": s.method, "other": other.method, "mode": of_panel.mode, "recordings": own.size}
                    | {"lost": int(own.sum()), "lost_by_both": both}
                )
                cells[short_label(other.method, results.methods)] = (
                    text.NONE if other == s or not own.any() else f"{100 * both / own.sum():.0f} %"
                )
            view.append(cells)
    columns = ["dataset", "network", "method", "other", "mode", "recordings", "lost", "lost_by_both"]
    return Table("lost_together", pd.DataFrame(data, columns=columns), pd.DataFrame(view).fillna(text.NONE))


def recording_labels(results: Results) -> dict[tuple[str, int], str]:
    """(data set, recording) -> its class, of the recordings whose frames were collected."""
    labels: dict[tuple[str, int], str] = {}
    for dataset, manifest in results.provenance.get("manifests", {}).items():
        if f"{dataset}/index" in results.recordings:
            index, label = (results.recordings[f"{dataset}/{name}"] for name in ("index", "label"))
            classes = manifest.get("classes", [])
            labels |= {
                (dataset, int(i)): str(classes[k]) if k < len(classes) else str(k)
                for i, k in zip(index, label, strict=True)
            }
    return labels
