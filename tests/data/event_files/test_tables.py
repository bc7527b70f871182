"""Tables of events (`.npy`, `.npz`, `.csv`, `.txt`, `.h5`): columns in any order and unit, exactly or not at all."""

import io
import sys
import zipfile

import numpy as np
import pytest
from numpy.lib.recfunctions import repack_fields

from snn.data.event_files import arrays, hdf5, text
from snn.data.event_files.by_suffix import read
from snn.data.event_files.columns import Table
from snn.data.format import EVENT, Sensor
from snn.errors import DataError

from ..event_data import event_array, random_events
from ..event_writers import csv

SENSOR = Sensor(30, 40)
EVENTS = random_events(np.random.default_rng(0), 300, SENSOR)


def matrix(order, dtype=np.int64):
    return np.stack([EVENTS[field].astype(dtype) for field in order], 1)


def read_back(file, table=None):
    return read(file, SENSOR, table or Table())


def test_structured_arrays_by_any_usual_names(tmp_path):
    renamed = EVENTS.view([("timestamp", "<i8"), ("x", "<u2"), ("y", "<u2"), ("polarity", "u1")])
    for i, array in enumerate((EVENTS, renamed, repack_fields(EVENTS[["p", "x", "t", "y"]]))):
        np.save(tmp_path / f"{i}.npy", array)
        np.testing.assert_array_equal(read_back(tmp_path / f"{i}.npy"), EVENTS)
    np.savez(tmp_path / "a.npz", events=EVENTS)
    np.savez_compressed(tmp_path / "b.npz", T=EVENTS["t"], X=EVENTS["x"], Y=EVENTS["y"], pol=EVENTS["p"].astype(bool))
    for name in ("a.npz", "b.npz"):
        np.testing.assert_array_equal(read_back(tmp_path / name), EVENTS)


@pytest.mark.parametrize("order", ["txyp", "xytp", "pyxt"])
def test_matrices_in_the_order_stated(tmp_path, order):
    np.save(tmp_path / "a.npy", np.asfortranarray(matrix(order)))
    np.testing.assert_array_equal(read_back(tmp_path / "a.npy", Table(tuple(order))), EVENTS)
    with pytest.raises(DataError, match=r"a.npy: 4 columns without names; state their order in `columns`"):
        read_back(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.insert(matrix(order), 2, 99, axis=1))
    skipping = Table((*order[:2], "_", *order[2:]))
    np.testing.assert_array_equal(read_back(tmp_path / "b.npy", skipping), EVENTS)
    with pytest.raises(DataError, match=r"b.npy: 5 columns, but `columns` names 4"):
        read_back(tmp_path / "b.npy", Table(tuple(order)))


@pytest.mark.parametrize("separator", [",", ";", " ", "\t"])
@pytest.mark.parametrize("names", ["", "# t x y p", "Time,x,y,Polarity"])
def test_text_with_any_separator_with_and_without_names(tmp_path, separator, names):
    csv(tmp_path / "a.csv", EVENTS, names=names, separator=separator)
    table = Table() if names.startswith("T") else Table(("t", "x", "y", "p"))
    np.testing.assert_array_equal(read_back(tmp_path / "a.csv", table), EVENTS)


@pytest.mark.parametrize(
    ("unit", "times", "microseconds"),
    [
        ("us", [0, 7, 2**40], [0, 7, 2**40]),
        ("us", [0.4, 6.6, 1e12], [0, 7, 10**12]),
        ("ms", [0, 7, 2**30], [0, 7000, 1000 * 2**30]),
        ("s", [0.0, 0.123456, 1403636579.763555], [0, 123456, 1403636579763555]),
        ("s", [1, 2, 3], [10**6, 2 * 10**6, 3 * 10**6]),
        ("ns", [999, 1000, 1_600_000_000_000_000_999], [0, 1, 1_600_000_000_000_000]),
    ],
)
def test_times_in_any_unit_are_whole_microseconds(tmp_path, unit, times, microseconds):
    np.savez(tmp_path / "a.npz", t=np.array(times), x=[1, 2, 3], y=[0, 0, 0], p=[-1, 1, -1])
    events = read_back(tmp_path / "a.npz", Table(unit=unit))
    np.testing.assert_array_equal(events, event_array(microseconds, [1, 2, 3], [0, 0, 0], [0, 1, 0]))
    (tmp_path / "a.csv").write_text("t,x,y,p\n" + "".join(f"{t},{x},0,1\n" for x, t in enumerate(times)))
    assert read_back(tmp_path / "a.csv", Table(unit=unit))["t"].tolist() == microseconds


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"t": [1, 2], "x": [1], "y": [1], "p": [1]}, "columns of unequal lengths"),
        ({"t": [1], "x": [1], "y": [1]}, "0 columns for p among"),
        ({"t": [1], "x": [1], "y": [1], "p": [1], "pol": [1]}, "2 columns for p among"),
        ({"t": [1], "x": [-1], "y": [1], "p": [1]}, "event 0 has x = -1"),
        ({"t": [1], "x": [1], "y": [70000], "p": [1]}, "event 0 has y = 70000"),
        ({"t": [1], "x": [1.5], "y": [1], "p": [1]}, "event 0 has x = 1.5"),
        ({"t": [np.nan], "x": [1], "y": [1], "p": [1]}, "event 0 has t = nan"),
        ({"t": [1e300], "x": [1], "y": [1], "p": [1]}, "event 0 has t = 1e"),
        ({"t": [np.uint64(2**63)], "x": [1], "y": [1], "p": [1]}, "event 0 has t = 9223372036854775808"),
        ({"t": [1], "x": [1], "y": [1], "p": [2]}, "event 0 has p = 2"),
        ({"t": [1, 2, 3], "x": [1] * 3, "y": [1] * 3, "p": [1, 0, -1]}, "polarities -1, 0 and 1"),
        ({"t": ["a"], "x": [1], "y": [1], "p": [1]}, "t is of type <U1"),
    ],
)
def test_values_that_are_no_events_are_named(tmp_path, columns, message):
    np.savez(tmp_path / "a.npz", **columns)
    with pytest.raises(DataError, match=rf"a\.npz: {message}") as error:
        read_back(tmp_path / "a.npz")
    assert "\n" not in str(error.value)


def test_nothing_is_unpickled_and_no_header_is_believed(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], object))
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<i8", "fortran_order": False, "shape": (1 << 50,)})
    (tmp_path / "b.npy").write_bytes(header.getvalue())
    with zipfile.ZipFile(tmp_path / "c.npz", "w") as archive:
        archive.writestr("t.npy", header.getvalue())
    (tmp_path / "d.npz").write_bytes(b"PK\x03\x04 no archive")
    for name in ("a.npy", "b.npy", "c.npz", "d.npz"):
        with pytest.raises(DataError, match=rf"{name}: no intact .np. file of numbers .*replace it"):
            arrays.read(tmp_path / name, Table())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no lines of events"),
        ("t,x,y,p\n", "no lines of events"),
        ("t,x,y,p\n1,2,3,4,5\n", "4 names of 5 columns"),
        ("t,x,y,p\n1,2,3,1\n4,5,6\n", "no table of numbers"),
        ("t,x,y,p\n1,2,3,1\nfour,5,6,1\n", "no table of numbers"),
        ("t,x,x,p\n1,2,3,1\n", "4 names of 4 columns"),
        ("\0\xff\n", "(no table of numbers|no lines of events|columns)"),
    ],
)
def test_damaged_text_is_named(tmp_path, content, message):
    (tmp_path / "a.txt").write_bytes(content.encode("latin-1"))
    with pytest.raises(DataError, match=rf"a\.txt: .*{message}") as error:
        text.read(tmp_path / "a.txt", Table())
    assert "\n" not in str(error.value)


def test_hdf5_in_the_layouts_that_are_met(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "prophesee.h5", "w") as f:
        f.create_dataset("CD/events", data=repack_fields(EVENTS[["x", "y", "p", "t"]]))
    with h5py.File(tmp_path / "dsec.h5", "w") as f:
        for field in "pxyt":
            f.create_dataset(f"events/{field}", data=EVENTS[field], compression="gzip")
        f["ms_to_idx"] = np.arange(3)
    with h5py.File(tmp_path / "root.hdf5", "w") as f:
        f.update({"xs": EVENTS["x"], "ys": EVENTS["y"], "ts": EVENTS["t"] / 1e6, "ps": EVENTS["p"]})
    with h5py.File(tmp_path / "v2e.h5", "w") as f:
        f["events"] = matrix("txyp", np.uint32)
    for name, table in (
        ("prophesee.h5", Table()),
        ("dsec.h5", Table()),
        ("root.hdf5", Table(unit="s")),
        ("v2e.h5", Table(("t", "x", "y", "p"))),
    ):
        np.testing.assert_array_equal(read_back(tmp_path / name, table), EVENTS)
    with pytest.raises(DataError, match=r"v2e.h5: 4 columns without names; state their order in `columns`"):
        read_back(tmp_path / "v2e.h5")


def test_damaged_hdf5_is_named(tmp_path):
    h5py = pytest.importorskip("h5py")
    file = tmp_path / "a.h5"
    with h5py.File(file, "w") as f:
        f.create_dataset("events", (1 << 40,), EVENT, chunks=(1024,))
    with pytest.raises(DataError, match=r"a.h5: no intact .h5 file of events .*more values than it holds"):
        hdf5.read(file, Table())
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(DataError, match=r"a.h5: no intact .h5 file of events"):
        hdf5.read(file, Table())
    with h5py.File(file, "w") as f:
        f["numbers"] = np.arange(5)
    with pytest.raises(DataError, match=r"a.h5: 0 columns for t among 'numbers'"):
        hdf5.read(file, Table())


def test_without_h5py_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    (tmp_path / "a.h5").write_bytes(b"")
    with pytest.raises(DataError, match=r"reading .h5 needs the package h5py; install it: pip install h5py"):
        hdf5.read(tmp_path / "a.h5", Table())
