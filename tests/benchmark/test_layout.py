"""Where the files of a benchmark are."""

from __future__ import annotations

from pathlib import Path

from snn.benchmark.layout import STORE, STORE_FILES, Layout


def test_files_lie_around_the_resolved_configuration():
    assert Layout.around(Path("results/smoke/config.json"), "smoke") == Layout("smoke")
    stored = Layout.around(Path(".snakemake/storage/s3/bench/results/smoke/config.json"), "smoke")
    assert stored.report == Path(".snakemake/storage/s3/bench/reports/smoke")
    assert stored.store("saccades") == Path(".snakemake/storage/s3/bench/results/smoke/data/saccades")


def test_a_configuration_elsewhere_means_the_working_folder():
    assert Layout.around(Path("copy.json"), "smoke") == Layout("smoke")
    assert Layout.around(Path("results/another/config.json"), "smoke") == Layout("smoke")


def test_an_object_store_is_told_of_every_file_of_a_store():
    assert set(STORE) < set(STORE_FILES)
    assert [path.name for path in Layout("smoke").store_files("saccades", every=True)] == list(STORE_FILES)
