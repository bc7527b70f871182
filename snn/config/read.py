"""Reading configuration files: overlays laid over each other, then validated."""

from __future__ import annotations

from pathlib import Path

import yaml

from snn.config.blocks import Config
from snn.config.validation import merge, validate
from snn.errors import ConfigError


def read_configuration(*paths: str | Path) -> Config:
    """Read YAML (or JSON) files, later ones laid over earlier ones."""
    values: dict = {}
    for path in paths:
        try:
            overlay = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
        except FileNotFoundError:
            raise ConfigError(f"{path}: no such configuration file") from None
        except yaml.YAMLError as error:
            raise ConfigError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from None
        if not isinstance(overlay, dict):
            raise ConfigError(f"{path}: must hold keys and values, not {type(overlay).__name__}")
        values = merge(values, overlay)
    return validate(Config, values)
