"""How sure the tables are: intervals over seeds and test samples together, paired tests, Holm's correction.

A result has two sources of chance: the seed of the training and the draw of the test set. All seeds are tested on
the same samples, so the two are crossed, not nested, and both are resampled:

    mean*  = mean of correct[seeds*, samples*],   S-1 seeds and N samples drawn with replacement
    se     = standard deviation of mean* over the resamples
    mean ± t(df) · se

- S-1 of S seeds, because S of S would make the variance between three seeds a third too small (McCarthy and
  Snowden 1985; Rao and Wu 1988).
- Crossed ("pigeonhole") resampling is never too narrow for the interaction of seed and sample (Owen 2007); where
  seeds disagree on samples at random the interval is somewhat wider than needed.
- Student's t instead of the percentiles of mean*: no percentile can leave the range of the seeds, and the range of
  three covers the truth in only three of four cases. The degrees of freedom follow Satterthwaite (1946) from the
  two variances: near S-1 where seeds dominate, near N-1 where the test set does.

`tests/test_statistics.py` checks the coverage by simulation. Below three seeds the variance between trainings is
unknown: the interval then speaks of the test samples only, and says "too few seeds".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

MIN_SEEDS = 3
TOO_FEW = "too few seeds"


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


def hierarchical_interval(correct: ArrayLike, level: float = 0.95, resamples: int = 2000, seed: int = 0) -> Interval:
    """Interval of the mean of `correct`, an array [seeds, samples] of booleans.

    The same `seed` draws the same resamples for every array of that shape, so equal data gives equal intervals.
    """
    return _interval(_matrix(correct), level, resamples, seed, bounds=(0.0, 1.0))[0]


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


def paired_difference(a: ArrayLike, b: ArrayLike, level: float = 0.95, resamples: int = 2000, seed: int = 0) -> Paired:
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
    interval, se, df = _interval(first - second, level, resamples, seed, bounds=(-2.0, 2.0))
    p = None
    if interval.n_seeds >= MIN_SEEDS:
        t = abs(interval.mean) / se if se > 0 else (np.inf if interval.mean else 0.0)
        p = max(float(2 * stats.t.sf(t, df)), 2.0 ** (1 - interval.n_samples))
    return Paired(**vars(interval), p=p)


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


def _interval(
    values: np.ndarray, level: float, resamples: int, seed: int, bounds: tuple[float, float]
) -> tuple[Interval, float, float]:
    """(interval, standard error, degrees of freedom) of the mean of `values` [seeds, samples]."""
    n_seeds, n_samples = values.shape
    mean = float(values.mean())
    enough = n_seeds >= MIN_SEEDS
    by_sample = _counts(n_samples, n_samples, resamples, seed) @ values.T.astype(np.float32) / n_samples
    by_seed = _counts(n_seeds, n_seeds - 1, resamples, seed + 1) / (n_seeds - 1) if enough else 1 / n_seeds
    se = float((by_sample * by_seed).sum(axis=1, dtype=float).std(ddof=1))
    if np.ptp(values) == 0:  # else the rounding of the sums would pass for a variance
        se = 0.0
    df = _degrees_of_freedom(values) if enough else max(1, n_samples - 1)
    half = float(stats.t.ppf((1 + level) / 2, df)) * se
    low, high = max(bounds[0], mean - half), min(bounds[1], mean + half)
    return Interval(mean, low, high, n_seeds, n_samples, "" if enough else TOO_FEW), se, df


@lru_cache(maxsize=4)  # 80 MB each for a test set of 10,000
def _counts(n: int, draws: int, resamples: int, seed: int) -> np.ndarray:
    """[resamples, n]: how often each of n things is drawn in `draws` draws with replacement."""
    generator = np.random.default_rng(seed)
    counts = np.empty((resamples, n), dtype=np.float32)  # exact for counts, and quick to multiply
    for row in counts:
        row[:] = np.bincount(generator.integers(0, n, draws), minlength=n)
    return counts


def _degrees_of_freedom(values: np.ndarray) -> float:
    """Satterthwaite's, of the sum of the variance between seeds and the variance between samples."""
    n_seeds, n_samples = values.shape
    of_seeds = values.mean(axis=1).var(ddof=1) / n_seeds
    of_samples = values.mean(axis=0).var(ddof=1) / n_samples if n_samples > 1 else 0.0
    spread = of_seeds**2 / (n_seeds - 1) + of_samples**2 / max(1, n_samples - 1)
    return float((of_seeds + of_samples) ** 2 / spread) if spread > 0 else float(n_seeds - 1)


def _matrix(values: ArrayLike) -> np.ndarray:
    matrix = np.asarray(values, dtype=float)
    if matrix.ndim != 2 or not matrix.size:
        raise ValueError(f"expected a filled array [seeds, samples], got shape {matrix.shape}")
    return matrix
