"""The registry of readers."""

import pytest

from snn.data import readers
from snn.data.conversion import convert
from snn.errors import ConfigError

IMAGES = {"cifar10", "cifar100", "idx", "image-folder", "tiny-imagenet"}
EVENTS = {"cifar10dvs", "dvs-gesture", "event-folder", "n-caltech101", "nmnist", "saccades"}


def test_readers_are_found_by_name_and_their_kind_is_known_without_data():
    assert {name: readers.kind(name) for name in readers.names()} == (
        dict.fromkeys(IMAGES, "images") | dict.fromkeys(EVENTS, "events")
    )


def test_unknown_readers_and_settings_name_the_nearest_one():
    with pytest.raises(ConfigError, match=r"unknown reader 'nmnits'; did you mean 'nmnist'\?"):
        convert("nmnits", {}, {}, "unused")
    with pytest.raises(ConfigError, match=r"params.treshold.*'threshold'"):
        convert("saccades", {"treshold": 1}, {}, "unused")


@pytest.mark.parametrize("name", readers.names())
def test_every_reader_has_the_functions_of_one(name):
    reader = readers.find(name)
    assert all(callable(getattr(reader, part)) for part in ("describe", "listing", "samples", "inputs"))
    assert reader.Params.model_config["extra"] == "forbid"
