"""Draw `docs/img/surrogates.png` from the formulas that training uses.

python -m docs.make_surrogates
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import seaborn as sns
import torch

from snn.neurons import NeuronSpec, Surrogate

# Each at the threshold of its source, where its default parameters were published.
PANELS = [
    ("rectangle", 1.0, [{}]),
    ("boxcar", 0.6, [{}]),
    ("triangle", 1.0, [{}]),
    ("exponential", 1.0, [{}, {"periodic": True}]),
    ("arctan", 1.0, [{}]),
    ("sigmoid", 1.0, [{}]),
    ("dspike", 0.5, [{"temperature": b} for b in (1.0, 3.0, 5.0)]),
]


def main() -> None:
    sns.set_theme(style="whitegrid", context="paper")
    figure, axes = plt.subplots(2, 4, figsize=(11, 4.6), sharex=True, layout="constrained")
    ratio = torch.linspace(-0.5, 3.5, 2001)
    axes.flat[-1].set_visible(False)
    for axis, (name, threshold, variants) in zip(axes.flat, PANELS, strict=False):
        for options in variants:
            spec = NeuronSpec(
                threshold=threshold,
                multi_spike=options.get("periodic", False),
                surrogate={"name": name, **options},
            )
            label = ", ".join("periodic" if value is True else f"b = {value:g}" for value in options.values())
            axis.plot(ratio, Surrogate(spec).gradient(ratio * threshold), label=label or "published")
        axis.axvline(1, color="0.4", linewidth=0.8, linestyle=":")
        axis.set_title(f"{name} (θ = {threshold:g})")
        axis.set_ylim(bottom=0)
        if len(variants) > 1:
            axis.legend(frameon=False, loc="upper left")
    figure.supxlabel("membrane potential before the reset, u / θ")
    figure.supylabel("ds/du")
    path = Path(__file__).parent / "img" / "surrogates.png"
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=130, metadata={"Software": None})


if __name__ == "__main__":
    main()
