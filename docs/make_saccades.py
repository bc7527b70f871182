"""Makes `docs/img/saccades.png` and the measured parts of `docs/saccades.md`.

    python docs/make_saccades.py --nmnist FOLDER

FOLDER holds real N-MNIST recordings, `Train/<digit>/*.bin` and `Test/<digit>/*.bin`, complete or partial. Takes about
two minutes on one core.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # the same result on every machine

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from snn.data.conversion import convert
from snn.data.store import EventStore, open_event_store

HERE = Path(__file__).resolve().parent
DIGITS = (0, 2, 3, 5, 7)
WINDOWS_MS = ((35, 65), (140, 170), (243, 273))  # the fastest 30 ms of each saccade
MODEL, REAL = "saccades (modelled)", "N-MNIST (recorded)"
COLOURS = {MODEL: "#0072b2", REAL: "#333333"}
SPLIT = {"validation": 500, "test": 500}


def profile(store: EventStore) -> np.ndarray:
    """Mean number of events in each 10 ms of a recording, `[32]`."""
    return np.bincount(np.minimum(store.event_map["t"] // 10_000, 31), minlength=32) / len(store)


def figures(store: EventStore, real: np.ndarray) -> dict[str, str]:
    """The rows of the table; real: the profile of the real recordings."""
    n = np.diff(store.offsets)
    last = store.event_map["t"][store.offsets[1:] - 1] / 1000
    correlation = np.corrcoef(profile(store), real)[0, 1]
    active = (store.frames(np.arange(len(store)), 1).sum((1, 2), dtype=np.int64) >= 5).sum((1, 2))
    low, quarter, half, three, high = np.percentile(n, [1, 25, 50, 75, 99])
    return {
        "recordings": f"{len(store):,}",
        "events per recording, mean (sd)": f"{n.mean():.0f} ({n.std():.0f})",
        "— percentiles 1 / 25 / 50 / 75 / 99": f"{low:.0f} / {quarter:.0f} / {half:.0f} / {three:.0f} / {high:.0f}",
        "fraction of ON events": f"{store.event_map['p'].mean():.3f}",
        "last event, mean (sd), ms": f"{last.mean():.1f} ({last.std():.1f})",
        "pixels with at least 5 events, mean": f"{active.mean():.0f} of {34 * 34}",
        "correlation of the event rate over time (10 ms bins) with N-MNIST's": f"{correlation:.3f}",
    }


def lower_bound(store: EventStore) -> str:
    """Test accuracy of logistic regression on counts per pixel and polarity; its C is chosen on validation."""
    from sklearn.linear_model import LogisticRegression

    counts = {
        s: store.frames(store.indices(s), 1).reshape(len(store.indices(s)), -1).astype(np.float32) / 10
        for s in SPLIT | {"train": 0}
    }
    labels = {s: store.labels[store.indices(s)] for s in counts}
    fits = [LogisticRegression(C=c, max_iter=500).fit(counts["train"], labels["train"]) for c in (0.03, 0.1, 0.3, 1)]
    best = max(fits, key=lambda f: f.score(counts["validation"], labels["validation"]))
    accuracy, n = best.score(counts["test"], labels["test"]), len(labels["test"])
    return (
        f"**{100 * accuracy:.1f} %** ({round(accuracy * n)} of {n} test recordings; "
        f"{100 * best.score(counts['validation'], labels['validation']):.1f} % on validation, C = {best.C})"
    )


def picture(events: np.ndarray, window: tuple[int, int]) -> np.ndarray:
    """ON minus OFF events of each pixel in a window of time, `[34, 34]`."""
    e = events[(events["t"] >= 1000 * window[0]) & (events["t"] < 1000 * window[1])]
    signed = np.zeros((34, 34))
    np.add.at(signed, (e["y"], e["x"]), 2.0 * e["p"] - 1)
    return signed


def median_recording(store: EventStore, digit: int) -> np.ndarray:
    """The recording of a digit whose number of events is nearest to the digit's median (so none is picked by eye)."""
    members = np.flatnonzero(store.labels == store.classes.index(str(digit)))
    n = np.array([store.n_events(i) for i in members])
    return store.events(members[np.abs(n - np.median(n)).argmin()])


def draw(stores: dict[str, EventStore], path: Path) -> None:
    plt.rcParams.update(
        {"font.family": "DejaVu Sans", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False}
    )
    fig = plt.figure(figsize=(10.4, 11.6), layout="constrained")
    above, below = fig.subfigures(2, 1, height_ratios=(3.4, 1))
    sides = above.subfigures(1, 2, wspace=0.04)
    for side, (name, store) in zip(sides, stores.items(), strict=True):
        side.suptitle(name, color=COLOURS[name], fontsize=13, fontweight="bold")
        axes = side.subplots(len(DIGITS), 3, gridspec_kw={"wspace": 0.03, "hspace": 0.03})
        for row, digit in zip(axes, DIGITS, strict=True):
            events = median_recording(store, digit)
            for k, (ax, window) in enumerate(zip(row, WINDOWS_MS, strict=True)):
                ax.imshow(picture(events, window), cmap="RdBu_r", vmin=-3, vmax=3, interpolation="nearest")
                ax.set(xticks=[], yticks=[])
                for spine in ax.spines.values():
                    spine.set(visible=True, color="#cccccc")
                if row is axes[0]:
                    ax.set_title(f"saccade {k + 1}\n{window[0]}–{window[1]} ms", fontsize=9, color="#555555")
            if side is sides[0]:
                row[0].set_ylabel(f"digit {digit}", fontsize=10)
    course, sizes = below.subplots(1, 2, width_ratios=(1.7, 1))
    for name, store in stores.items():
        style = {"color": COLOURS[name], "label": name}
        course.stairs(profile(store), np.arange(0, 330, 10), lw=2, **style)
        weights = np.ones(len(store)) / len(store)
        sizes.hist(np.diff(store.offsets), np.arange(0, 9500, 500), weights=weights, histtype="step", lw=2, **style)
    for window in WINDOWS_MS:
        course.axvspan(*window, color="#000000", alpha=0.06, lw=0)
    course.set(xlabel="time in the recording (ms)", ylabel="events per 10 ms", xlim=(0, 320), ylim=(0, None))
    sizes.set(xlabel="events in a recording", ylabel="fraction of recordings", xlim=(0, 9000))
    course.legend(frameon=False, loc="upper right", bbox_to_anchor=(1.0, 1.17), ncols=2)
    fig.savefig(path, dpi=110)


def fill(text: str, name: str, value: str) -> str:
    """`text` with `value` between the marks of this name."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    head, rest = text.split(begin)
    gap = "\n" if "\n" in value else ""
    return head + begin + gap + value + gap + end + rest.split(end)[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nmnist", type=Path, required=True, help="folder with Train and Test of N-MNIST")
    folder = parser.parse_args().nmnist
    with tempfile.TemporaryDirectory() as scratch:
        convert("saccades", {}, SPLIT, f"{scratch}/saccades")
        convert("nmnist", {"folder": folder}, {}, f"{scratch}/nmnist")
        stores = {MODEL: open_event_store(f"{scratch}/saccades"), REAL: open_event_store(f"{scratch}/nmnist")}
        draw(stores, HERE / "img" / "saccades.png")
        rows = [figures(store, profile(stores[REAL])) for store in stores.values()]
        table = [f"| | {' | '.join(stores)} |", "| --- | --- | --- |"]
        table += [f"| {key} | {rows[0][key]} | {rows[1][key]} |" for key in rows[0]]
        measured = {"table": "\n".join(table), "floor": lower_bound(stores[MODEL])}
        measured["version"] = f"`{stores[MODEL].manifest['split']['version']}`"
    page = HERE / "saccades.md"
    text = page.read_text(encoding="utf-8")
    for name, value in measured.items():
        text = fill(text, name, value)
    page.write_text(text, encoding="utf-8")
    print(*measured.values(), sep="\n")


if __name__ == "__main__":
    main()
