"""How many seeds decide a claim? From the collected files of a pilot run, before the benchmark's own runs.

    python tools/power.py --configfile config/saccades/pilot.yaml --seeds 5 8 12 16

For each claim that the pilot judges: its paired difference (mean and standard deviation over seeds), and the chance
that n seeds would end in a verdict other than "undecided". The chance is simulated: a true difference is drawn from
what the pilot leaves open (its t distribution), then seeds, samples and their interaction from normal distributions of
the pilot's variances, which the report's own code judges. The chance says nothing about which verdict it will be.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from snn.cli import configuration, layout
from snn.errors import UserError
from snn.report.claims.stated import Direction
from snn.report.claims.verdicts import Verdict, decide, judgements
from snn.report.results import Results
from snn.report.settings import ReportSettings
from snn.statistics import MIN_SEEDS, Estimate, estimate


def chance(pilot: Estimate, direction: Direction, margin: float, n: int, draws: int = 500) -> float:
    """The share of simulated benchmarks with n seeds that decide the claim."""
    if pilot.se == 0:  # counted, the same for every seed
        return float(decide(pilot, direction, margin) is not Verdict.UNDECIDED)
    if n < MIN_SEEDS or not pilot.is_testable:
        return float("nan")
    generator = np.random.default_rng(0)
    truths = pilot.mean + pilot.se * generator.standard_t(pilot.df, draws)
    verdicts = [decide(estimate(_benchmark(pilot, truth, n, generator)), direction, margin) for truth in truths]
    return sum(verdict is not Verdict.UNDECIDED for verdict in verdicts) / draws


def _benchmark(pilot: Estimate, truth: float, n: int, generator: np.random.Generator) -> np.ndarray:
    """Differences of n new seeds with the pilot's variances: [n, samples], or [n] for one number a seed."""
    everywhere = max(0.0, pilot.seed_variance - pilot.interaction_variance)
    seeds = generator.normal(truth, np.sqrt(everywhere), n)
    if not pilot.n_samples:
        return seeds
    of_samples, of_both = (
        variance * pilot.n_samples for variance in (pilot.sample_variance, pilot.interaction_variance)
    )
    samples = generator.normal(0.0, np.sqrt(of_samples), pilot.n_samples)
    samples -= samples.mean()  # the benchmark has the pilot's samples, whose mean effect is in the truth
    return seeds[:, None] + samples + generator.normal(0.0, np.sqrt(of_both), (n, pilot.n_samples))


def power(results: Results, numbers: list[int]) -> pd.DataFrame:
    """One row a claim: mean and standard deviation (in points, or the claim's own unit), chances in percent."""
    rows = []
    for judged in judgements(results):
        if judged.measurement is None:
            continue
        claim, pilot = judged.claim, judged.measurement.estimate
        unit = 100 if claim.quantity.scale == "points" else 1
        rows.append(
            {
                "claim": claim.name,
                "network": judged.panel.network if judged.panel else "",
                "mean": round(unit * pilot.mean, 2),
                "sd": round(unit * float(np.std(pilot.per_seed, ddof=1)), 2) if pilot.n_seeds > 1 else None,
                "margin": round(unit * claim.margin, 2),
                "seeds": pilot.n_seeds,
                **{str(n): 100 * chance(pilot, claim.direction, claim.margin, n) for n in numbers},
            }
        )
    return pd.DataFrame(rows)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--configfile", nargs="+", type=Path, default=[], help="overlays on config/config.yaml")
    parser.add_argument("--seeds", nargs="+", type=int, default=[5, 8, 12, 16], help="numbers of seeds to ask about")
    options = parser.parse_args(argv)
    try:
        config = configuration(options)
        settings = ReportSettings.from_config(config.model_dump(mode="json"))
        results = Results(layout(options, config).report, settings.t_train, settings.variants)
        print(power(results, options.seeds).to_markdown(index=False, floatfmt="g", missingval="-"))
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
