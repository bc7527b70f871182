"""The default configuration, changed."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml

from snn.config.validation import merge

DEFAULT = Path(__file__).resolve().parents[2] / "config/config.yaml"


@pytest.fixture(scope="session")
def base_configuration():
    """base_configuration(**overlay): the default benchmark's plain values with an overlay on top."""
    base = yaml.safe_load(DEFAULT.read_text(encoding="utf-8"))
    return lambda **overlay: merge(copy.deepcopy(base), overlay)
