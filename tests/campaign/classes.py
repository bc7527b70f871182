"""All classes of the campaign, in the order in which they run."""

from __future__ import annotations

from . import networks, overlays, recordings, results, streams

PARTS = [*overlays.PARTS, *recordings.PARTS, *networks.PARTS, *results.PARTS, *streams.PARTS]
