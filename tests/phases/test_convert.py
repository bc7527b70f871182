"""Phase convert: a store, and beside it the file that Snakemake watches."""

import json

import pytest

from snn.config.blocks import Dataset
from snn.data.store import open_store
from snn.errors import DataError
from snn.phases.convert import convert


def test_a_damaged_recording_added_later_costs_no_store(tmp_path):
    raw, out = tmp_path / "raw", tmp_path / "out"
    for split in ("Train", "Test"):
        for digit in "01":
            (raw / split / digit).mkdir(parents=True)
            for i in range(4):
                (raw / split / digit / f"{i}.bin").write_bytes(bytes([5, 6, 0, 0, i, 7, 8, 128, 0, 9 + i]))
    dataset = Dataset(reader="nmnist", params={"folder": str(raw)}, split={"validation": 2})
    manifest = convert(dataset, out)
    marker = (out / "converted.json").read_bytes()
    assert json.loads(marker) == {"manifest_sha256": manifest["sha256"]}
    (raw / "Train/0/9.bin").write_bytes(b"odd")
    (out / "converted.json").unlink()  # as Snakemake does before it runs the rule
    with pytest.raises(DataError, match=r"Train/0/9\.bin: 3 bytes"):
        convert(dataset, out)
    assert open_store(out).manifest == manifest
    assert not (out / "converted.json").exists(), "Snakemake converts again"
    (raw / "Train/0/9.bin").unlink()
    convert(dataset, out)
    assert (out / "converted.json").read_bytes() == marker
