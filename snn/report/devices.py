"""Which models of processors and GPUs the compared cells ran on (`hardware` of the provenance)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def mixed(provenance: Mapping[str, Any]) -> list[str]:
    """A sentence for each kind of device of which the cells used several models.

    Times of different models cannot be compared, and the same training may give other bits on another model.
    """
    sentences = []
    for kind, name in (("gpu", "GPU"), ("cpu", "processor")):
        models = sorted({str(machine[kind]) for machine in provenance.get("hardware", []) if machine.get(kind)})
        if len(models) > 1:
            sentences.append(
                f"The cells ran on {len(models)} models of {name} ({', '.join(models)}): their times cannot be "
                "compared, and the same training may give other numbers on another model."
            )
    return sentences
