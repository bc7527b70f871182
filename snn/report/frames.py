"""Pictures of recordings: their events, summed into a few frames side by side."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from snn.report.results import Results

ON, OFF = (0, 114, 178), (213, 94, 0)  # blue and vermilion of Okabe and Ito
PAPER = 255
FULL = 3  # events of a pixel that have the full colour


def pictures(results: Results) -> dict[tuple[str, int], str]:
    """(data set, recording) -> its frames as the address of a PNG picture; empty where none were collected."""
    shown: dict[tuple[str, int], str] = {}
    for name, index in results.recordings.items():
        dataset, _, what = name.rpartition("/")
        if what == "index" and f"{dataset}/frames" in results.recordings:
            frames = results.recordings[f"{dataset}/frames"]
            shown |= {(dataset, int(i)): png(of_one) for i, of_one in zip(index, frames, strict=True)}
    return shown


def png(frames: np.ndarray) -> str:
    """frames: [T, P, H, W] counts; more events, less light; polarity 1 (or the only one) blue, polarity 0 vermilion."""
    steps, polarities, height, width = frames.shape
    strength = np.minimum(frames / FULL, 1.0)
    on = strength[:, -1]
    off = strength[:, 0] if polarities > 1 else np.zeros_like(on)
    light = np.full((steps, height, width, 3), float(PAPER))
    for part, colour in ((on, ON), (off, OFF)):
        light *= 1 - part[..., None] * (1 - np.array(colour) / PAPER)
    gap = np.full((steps, height, 1, 3), 205.0)
    strip = np.concatenate([np.concatenate([light, gap], axis=2)[k] for k in range(steps)], axis=1)[:, :-1]
    picture = Image.fromarray(strip.astype(np.uint8)).quantize(32)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
