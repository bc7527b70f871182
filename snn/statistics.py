"""How sure the tables are: intervals over seeds and test samples together, paired tests, Holm's correction, power.

A result has two sources of chance: the seed of the training and the draw of the test set. All S seeds are tested on
the same N samples, so the two are crossed, not nested. A two-way analysis of variance with random effects separates
what a seed does everywhere (a), what a sample does for every seed (b), and what a seed does on single samples (ab):

    se²  = a / S + ab / (S·N) + b / N
    mean ± t(df) · se

- Each variance is cut at zero (Searle, Casella and McCulloch 1992), which errs to the wide side. Where seeds dominate,
  this is Student's interval over the seeds' means; with equal seeds it is the one over the samples.
- The degrees of freedom follow Satterthwaite (1946): near S-1 where seeds dominate, near N-1 where the test set does.
- Resampling seeds and samples would not need a model, but counts ab three times (Owen 2007): its 90 % intervals
  covered 96 to 98 % with five seeds (these 90 to 95 %), so that claims stayed undecided that could be decided.

`tests/test_statistics.py` checks the coverage by simulation. Below three seeds the variance between trainings is
unknown: the interval then is about the test samples only, and says "too few seeds".

All of this takes seeds for a sample of a distribution that is not far from normal. Where one training in five fails (is
8 points worse, the others vary by half a point), the 95 % interval covers the true mean in 59 % of cases with 3 seeds,
67 % with 5, 83 % with 8 and 89 % with 10 (in more where the variance of few test recordings is in it too). It errs to
one side: where all of few seeds are good, by luck, it is narrow and lies above the truth. Hence every seed is drawn as
a point.

Claims are judged by an `Estimate`: one-sided 95 % bounds (together the two-sided 90 % interval), of which two decide an
equivalence (two one-sided tests, Schuirmann 1987), and the number of seeds at which they would decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

MIN_SEEDS = 3
TOO_FEW = "too few seeds"
ALPHA = 0.05
"""Level of each one-sided test."""
POWER = 0.80
MAX_SEEDS = 10_000
"""Where the search for a number of seeds ends."""


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval; `low` and `high` are nan where no interval can be given."""

    mean: float
    low: float
    high: float
    n_seeds: int
    n_samples: int
    note: str = ""

    def excludes(self, value: float = 0.0) -> bool:
        """True where the interval lies wholly on one side of `value` (never for an interval that is not given)."""
        return self.low > value or self.high < value


@dataclass(frozen=True)
class Paired(Interval):
    """A mean difference on the same seeds and samples; `p` is None where it could not mean anything."""

    p: float | None = None


def crossed_interval(correct: ArrayLike, level: float = 0.95) -> Interval:
    """Interval of the mean of `correct`, an array [seeds, samples] of booleans."""
    return _interval(_matrix(correct), level, bounds=(0.0, 1.0))[0]


def mean_interval(values: ArrayLike, level: float = 0.95, bounds: tuple[float, float] = (-np.inf, np.inf)) -> Interval:
    """Student's interval of a quantity with one value a seed (seconds, spikes, operations), within its `bounds`."""
    array = np.asarray(values, dtype=float).ravel()
    if not array.size:
        raise ValueError("an interval needs at least one value")
    mean, n = float(array.mean()), array.size
    if n < MIN_SEEDS:
        return Interval(mean, np.nan, np.nan, n, 0, TOO_FEW)
    half = float(stats.t.ppf((1 + level) / 2, n - 1) * array.std(ddof=1) / np.sqrt(n))
    return Interval(mean, max(bounds[0], mean - half), min(bounds[1], mean + half), n, 0)


def proportion_interval(successes: int, n: int, level: float = 0.95) -> Interval:
    """Wilson's (1927) interval of a proportion, e.g. the accuracy of one network: it speaks of new samples alone."""
    limits = stats.binomtest(successes, n).proportion_ci(level, method="wilson")
    return Interval(successes / n, float(limits.low), float(limits.high), 1, n)


def paired_proportions(a: ArrayLike, b: ArrayLike, level: float = 0.95) -> Interval:
    """Difference of the proportions of two arrays of booleans [n] on the same samples, of one network each.

    Agresti and Min's (2005) interval: half a sample is added to each cell of the 2 x 2 table, so that it has a width
    where the two agree on every sample.
    """
    first, second = np.asarray(a, bool), np.asarray(b, bool)
    gained, lost = int((first & ~second).sum()) + 0.5, int((second & ~first).sum()) + 0.5
    n, difference = len(first) + 2, gained - lost
    half = stats.norm.ppf((1 + level) / 2) * np.sqrt(gained + lost - difference**2 / n)
    limits = float((difference - half) / n), float((difference + half) / n)
    return Interval(float(first.mean() - second.mean()), max(-1.0, limits[0]), min(1.0, limits[1]), 1, len(first))


def paired_difference(a: ArrayLike, b: ArrayLike, level: float = 0.95) -> Paired:
    """Difference of the means of `a` and `b`, arrays [seeds, samples] on the same seeds and samples.

    The p-value (two-sided, of no difference) is that of the interval's own t: p < 1 - level exactly when the interval
    excludes zero. It therefore speaks of new seeds *and* new samples. Flipping signs over seeds could not: with three
    seeds its smallest p is 0.25; flipping signs over samples alone would take the seeds' luck for the method's merit.
    It is never below what sign flips of all samples could show, 2^(1-N), which matters only for a handful of samples.
    `a` and `b` may also hold differences themselves (event-driven minus clock-driven), to compare two changes.
    """
    first, second = _matrix(a), _matrix(b)
    if first.shape != second.shape:
        raise ValueError(f"paired arrays differ in shape: {first.shape} and {second.shape}")
    interval, se, df = _interval(first - second, level, bounds=(-2.0, 2.0))
    p = None
    if interval.n_seeds >= MIN_SEEDS:
        t = abs(interval.mean) / se if se > 0 else (np.inf if interval.mean else 0.0)
        p = max(float(2 * stats.t.sf(t, df)), 2.0 ** (1 - interval.n_samples))
    return Paired(**vars(interval), p=p)


@dataclass(frozen=True)
class Estimate:
    """A mean difference with what its tests and its power analysis need.

    mean, se: in the unit of the differences; df: degrees of freedom of its t. `se` and `df` are nan below three seeds.
    per_seed: the mean difference of each seed. se² with n seeds is seed_variance / n + sample_variance: the
    second is not lowered by more seeds, since all are tested on the same samples. interaction_variance: the part of the
    first that is chance of a training on single samples, below which it is never put. n_samples: 0 where a difference
    is one number a seed.
    """

    mean: float
    se: float
    df: float
    per_seed: tuple[float, ...]
    seed_variance: float
    sample_variance: float
    n_samples: int
    interaction_variance: float = 0.0

    @property
    def n_seeds(self) -> int:
        return len(self.per_seed)

    @property
    def is_testable(self) -> bool:
        return not np.isnan(self.se)

    def bounds(self, alpha: float = ALPHA) -> tuple[float, float]:
        """The one-sided lower and upper bounds at level 1 - alpha each: the two-sided interval at 1 - 2·alpha."""
        if not self.is_testable:
            return np.nan, np.nan
        half = float(stats.t.ppf(1 - alpha, self.df)) * self.se
        return self.mean - half, self.mean + half

    def p_greater(self, value: float) -> float | None:
        """One-sided p-value of the true mean being at most `value`; None below three seeds."""
        if not self.is_testable:
            return None
        if self.se == 0:
            return 0.0 if self.mean > value else 1.0
        return float(stats.t.sf((self.mean - value) / self.se, self.df))

    def p_less(self, value: float) -> float | None:
        """One-sided p-value of the true mean being at least `value`; None below three seeds."""
        return replace(self, mean=-self.mean).p_greater(-value)

    def p_within(self, margin: float) -> float | None:
        """The p-value of the two one-sided tests of the true mean being outside of ±margin; None below three seeds."""
        above, below = self.p_greater(-margin), self.p_less(margin)
        return None if above is None or below is None else max(above, below)


def estimate(differences: ArrayLike) -> Estimate:
    """Of paired differences: [seeds, samples] of correctness, or [seeds], one number each."""
    array = np.asarray(differences, dtype=float)
    if array.ndim == 2:
        interval, se, df = _interval(_matrix(array), 1 - 2 * ALPHA, bounds=(-np.inf, np.inf))
        per_seed, n_samples = array.mean(axis=1), interval.n_samples
        seed_variance, sample_variance, interaction = _variances(array)
    elif array.ndim == 1 and array.size:
        per_seed, n_samples = array, 0
        seed_variance, sample_variance = (float(array.var(ddof=1)) if array.size > 1 else np.nan), 0.0
        se, df = (per_seed.std(ddof=1) / np.sqrt(array.size) if array.size > 1 else np.nan), array.size - 1
        interaction = 0.0
    else:
        raise ValueError(f"expected differences [seeds] or [seeds, samples], got shape {array.shape}")
    if len(per_seed) < MIN_SEEDS:
        se, df = np.nan, np.nan
    each = tuple(map(float, per_seed))
    mean = float(per_seed.mean())
    return Estimate(mean, float(se), float(df), each, seed_variance, sample_variance, n_samples, interaction)


def exact_estimate(value: float) -> Estimate:
    """Of a quantity that is counted and not sampled: the same for every seed, so one is enough."""
    return Estimate(float(value), 0.0, np.inf, (float(value),), 0.0, 0.0, 0)


def seeds_for_power(estimate: Estimate, effect: float, power: float = POWER, alpha: float = ALPHA) -> int | None:
    """The smallest number of seeds at which a one-sided test at level `alpha` finds a true `effect` with that power.

    The variance between seeds is the observed one of the paired differences; the variance over test samples stays.
    None below two seeds, and where the test samples alone leave too much uncertainty for any number of seeds (up to
    `MAX_SEEDS`). At least `MIN_SEEDS`. Two one-sided tests of a margin at a true difference of zero fail with at most
    twice the probability of one: their power is at least 80 % where that of one is 90 %.
    """
    if effect <= 0:
        raise ValueError(f"the effect to be found must be positive, got {effect}")
    if estimate.n_seeds < 2:
        return None

    def enough(n: int) -> bool:
        se = np.sqrt(estimate.seed_variance / n + estimate.sample_variance)
        if se == 0:
            return True
        df = _satterthwaite(estimate.seed_variance / n, n, estimate.sample_variance, estimate.n_samples)
        return float(stats.nct.sf(stats.t.ppf(1 - alpha, df), df, effect / se)) >= power

    if not enough(MAX_SEEDS):
        return None
    low, high = MIN_SEEDS - 1, MAX_SEEDS  # more seeds are never worse: the power rises with their number
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def holm(pvalues: Sequence[float | None]) -> list[float | None]:
    """Holm's (1979) step-down adjustment of a family of p-values; None stays None and does not count.

    The i-th smallest of m is multiplied by m-i+1, kept monotone, and cut at 1.
    """
    ascending = sorted((p, i) for i, p in enumerate(pvalues) if p is not None)
    adjusted: list[float | None] = [None] * len(pvalues)
    highest = 0.0
    for rank, (p, i) in enumerate(ascending):
        highest = max(highest, min(1.0, (len(ascending) - rank) * p))
        adjusted[i] = highest
    return adjusted


def _interval(values: np.ndarray, level: float, bounds: tuple[float, float]) -> tuple[Interval, float, float]:
    """(interval, standard error, degrees of freedom) of the mean of `values` [seeds, samples]."""
    n_seeds, n_samples = values.shape
    mean = float(values.mean())
    if n_seeds >= MIN_SEEDS:
        of_seeds, of_samples, _ = _variances(values)
        of_seeds /= n_seeds
    else:  # of these seeds, on other samples
        of_seeds, of_samples = 0.0, float(values.mean(axis=0).var(ddof=1)) / n_samples if n_samples > 1 else 0.0
    se, df = float(np.sqrt(of_seeds + of_samples)), _satterthwaite(of_seeds, n_seeds, of_samples, n_samples)
    half = float(stats.t.ppf((1 + level) / 2, df)) * se
    low, high = max(bounds[0], mean - half), min(bounds[1], mean + half)
    return Interval(mean, low, high, n_seeds, n_samples, "" if n_seeds >= MIN_SEEDS else TOO_FEW), se, df


def _variances(values: np.ndarray) -> tuple[float, float, float]:
    """(a + ab / N, b / N, ab / N) of the module's docstring: se² with n seeds is the first / n, plus the second.

    values: [seeds, samples]. The first is nan for one seed.
    """
    n_seeds, n_samples = values.shape
    if n_seeds < 2:
        return float("nan"), 0.0, 0.0
    seeds, samples = values.mean(axis=1, keepdims=True), values.mean(axis=0, keepdims=True)
    if np.ptp(values) == 0:  # else rounding would pass for a variance
        return 0.0, 0.0, 0.0
    if n_samples < 2:
        return float(seeds.var(ddof=1)), 0.0, 0.0
    interaction = ((values - seeds - samples + values.mean()) ** 2).sum() / (n_seeds - 1) / (n_samples - 1)
    of_seeds = max(seeds.var(ddof=1), interaction / n_samples)
    of_samples = max(0.0, samples.var(ddof=1) - interaction / n_seeds)
    return float(of_seeds), float(of_samples / n_samples), float(interaction / n_samples)


def _satterthwaite(of_seeds: float, n_seeds: int, of_samples: float, n_samples: int) -> float:
    """Degrees of freedom of the sum of the two parts of a squared standard error."""
    spread = of_seeds**2 / max(1, n_seeds - 1) + of_samples**2 / max(1, n_samples - 1)
    return float((of_seeds + of_samples) ** 2 / spread) if spread > 0 else float(max(1, n_seeds - 1))


def _matrix(values: ArrayLike) -> np.ndarray:
    matrix = np.asarray(values, dtype=float)
    if matrix.ndim != 2 or not matrix.size:
        raise ValueError(f"expected a filled array [seeds, samples], got shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError("there are values that are no numbers; leave out what was not evaluated")
    return matrix
