"""N-MNIST's and N-Caltech101's format: decoded as by two other decoders."""

import numpy as np
import pytest
from tonic.io import read_mnist_file

from snn.data.event_files import atis
from snn.data.format import Sensor

from ..event_data import bin_bytes, random_events, spikingjelly_utils


@pytest.mark.parametrize("overflows", [0, 40])
def test_events_are_read_as_by_tonic_and_spikingjelly(tmp_path, overflows):
    rng = np.random.default_rng(overflows)
    events = random_events(rng, 2000, Sensor(180, 240))
    events["y"][rng.choice(2000, overflows, replace=False)] = 240
    (tmp_path / "a.bin").write_bytes(bin_bytes(events))
    ours = atis.read(tmp_path / "a.bin")
    assert len(ours) == 2000 - overflows
    kind = np.dtype([("x", "<u2"), ("y", "<u2"), ("t", "<i8"), ("p", "u1")])
    others = [read_mnist_file(tmp_path / "a.bin", kind)]
    if not overflows:  # the other one ignores them
        others.append(spikingjelly_utils().load_ATIS_bin(tmp_path / "a.bin"))
    for other in others:
        for field in "txyp":
            np.testing.assert_array_equal(ours[field], other[field])
