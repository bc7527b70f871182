"""A model of an event sensor: it turns a moving drawing into events.

Every pixel sees the log intensity `L(t)` of the drawing, through a first-order photoreceptor:

    L(t)  = ln(1 - (1 - floor) * ink(t))                       ink in [0, 1]: dark on a bright ground
    dl/dt = (L - l) / tau

It keeps a reference `r` and emits an ON event when `l - r >= threshold`, an OFF event when `r - l >= threshold`
(Lichtsteiner et al. 2008). After an event its reset is held for the refractory time; then it memorises the intensity
of that moment as its new reference. Between two simulation steps `l` is taken as linear, so events carry the time of
their crossing and several may fall in one step (as in ESIM, Rebecq et al. 2018). Thresholds differ from pixel to
pixel by a fixed pattern, and background events arrive as a Poisson process (as in v2e, Hu et al. 2021).

- P. Lichtsteiner, C. Posch, T. Delbruck. A 128x128 120 dB 15 us latency asynchronous temporal contrast vision
  sensor. IEEE Journal of Solid-State Circuits 43(2), 2008.
- H. Rebecq, D. Gehrig, D. Scaramuzza. ESIM: an open event camera simulator. CoRL 2018.
- Y. Hu, S.-C. Liu, T. Delbruck. v2e: from video frames to realistic DVS events. CVPR workshops 2021.
"""

from __future__ import annotations

import numpy as np

from snn.kernels.jit import compiled


@compiled
def _inked(ink: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]]:
    """First and last row, and first and last column, with any ink."""
    rows, columns = np.nonzero(ink)
    if len(rows) == 0:
        return (0, 0), (0, 0)
    return (rows.min(), rows.max()), (columns.min(), columns.max())


@compiled
def _ink_at(ink: np.ndarray, v: float, u: float) -> float:
    """The ink at row v and column u of the drawing, interpolated between its four neighbours; none beside it."""
    h, w = ink.shape
    row, column = int(np.floor(v)), int(np.floor(u))
    value = 0.0
    if -1 <= row < h and -1 <= column < w:
        b, a = v - row, u - column
        if row >= 0 and column >= 0:
            value += (1 - b) * (1 - a) * ink[row, column]
        if row >= 0 and column + 1 < w:
            value += (1 - b) * a * ink[row, column + 1]
        if row + 1 < h and column >= 0:
            value += b * (1 - a) * ink[row + 1, column]
        if row + 1 < h and column + 1 < w:
            value += b * a * ink[row + 1, column + 1]
    return value


@compiled
def sense(
    ink: np.ndarray,
    left: np.ndarray,
    top: np.ndarray,
    thresholds: np.ndarray,
    phase: np.ndarray,
    floor: float,
    step_us: float,
    tau_us: float,
    refractory_us: float,
    out_t: np.ndarray,
    out_x: np.ndarray,
    out_y: np.ndarray,
    out_p: np.ndarray,
) -> int:
    """The events of a sensor that sees a moving drawing; return their number.

    `ink` [h, w] in [0, 1], none around it. `left`, `top` [steps + 1]: position of its corner on the sensor, in
    pixels, every `step_us`. `thresholds` [2, H, W]: OFF and ON contrast thresholds in log units. `phase` [H, W] in
    (-1, 1): where between its two thresholds each pixel's reference lies at the start. Times in microseconds.
    `out_*`: arrays that the events are written to, pixel by pixel (so not in time order); when they are too short, the
    negative number of events is returned.
    """
    _, height, width = thresholds.shape
    steps = len(left) - 1
    gain = 1.0 - np.exp(-step_us / tau_us) if tau_us > 0 else 1.0
    room = len(out_t)
    n = 0
    # Pixels that the ink never reaches see no change, and are skipped.
    rows, columns = _inked(ink)
    far_left, far_right = left.min() + columns[0] - 1, left.max() + columns[1] + 1
    far_top, far_bottom = top.min() + rows[0] - 1, top.max() + rows[1] + 1
    for y in range(height):
        for x in range(width):
            if x <= far_left or x >= far_right or y <= far_top or y >= far_bottom:
                continue
            off, on = thresholds[0, y, x], thresholds[1, y, x]
            held_until = -1.0
            now = 0.0
            reference = 0.0
            for k in range(steps + 1):
                value = _ink_at(ink, y - top[k], x - left[k])
                log_intensity = np.log(1.0 - (1.0 - floor) * value) if value > 0.0 else 0.0
                if k == 0:
                    now = log_intensity
                    reference = now + phase[y, x] * (on if phase[y, x] < 0 else off)
                    continue
                before = now
                now += gain * (log_intensity - before)
                change = now - before
                start, end = (k - 1) * step_us, k * step_us
                if held_until > end:
                    continue
                if held_until > start:
                    reference = before + change * (held_until - start) / step_us
                while True:
                    contrast = now - reference
                    if contrast >= on and change > 0:
                        crossing = reference + on
                    elif -contrast >= off and change < 0:
                        crossing = reference - off
                    else:
                        break
                    t = start + max(0.0, (crossing - before) / change) * step_us
                    if n < room:
                        out_t[n], out_x[n], out_y[n], out_p[n] = int(t), x, y, 1 if change > 0 else 0
                    n += 1
                    held_until = t + refractory_us
                    if held_until > end:
                        break
                    reference = before + change * (held_until - start) / step_us
    return n if n <= room else -n


def background(
    rng: np.random.Generator, rate_hz: float, height: int, width: int, duration_us: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Background events `(t, x, y, p)`: a Poisson process of `rate_hz` events a second in every pixel."""
    n = rng.poisson(rate_hz * height * width * duration_us * 1e-6)
    return (
        rng.integers(0, duration_us, n),
        rng.integers(0, width, n),
        rng.integers(0, height, n),
        rng.integers(0, 2, n),
    )


def fixed_pattern(rng: np.random.Generator, threshold: float, mismatch: float, height: int, width: int) -> np.ndarray:
    """Thresholds `[2, H, W]` (OFF, ON): normal around `threshold` with the relative deviation `mismatch`."""
    spread = np.clip(rng.standard_normal((2, height, width)), -3, 3)
    return threshold * np.maximum(1 + mismatch * spread, 0.1)
