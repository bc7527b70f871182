"""All classes of the campaign, in the order in which they run."""

from __future__ import annotations

from . import (
    disk,
    downloads,
    kills,
    networks,
    overlays,
    recordings,
    results,
    server,
    streams,
    surroundings,
)
from .runner import Part

MODULES = (overlays, recordings, downloads, networks, results, streams, disk, server, surroundings, kills)
PARTS: list[Part] = [part for module in MODULES for part in module.PARTS]
