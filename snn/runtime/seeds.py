"""One seed, split by purpose.

Methods that draw different amounts of randomness (MTT draws time steps, SDT does not) must still see the same
initial weights and the same order of data at one seed. So each purpose has its own stream.
"""

from __future__ import annotations

import hashlib
from typing import Literal

Purpose = Literal["initialisation", "order", "augmentation", "steps", "method", "recalibration", "split", "disturbance"]


def derive(seed: int, purpose: Purpose, *more: object) -> int:
    """A 63-bit seed for one purpose, independent of all other purposes (SHA-256 of the parts)."""
    text = "/".join(map(str, (seed, purpose, *more)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
