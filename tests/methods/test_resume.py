"""A killed training resumes to the same bits, whatever a method carries from step to step and from epoch to epoch."""

from __future__ import annotations

import pytest
import torch
from jobs import do

from snn import methods

# Those whose state or draws differ from those of `sdt` and `mtt`, which tests/training/test_loop.py resumes.
NAMES = [
    "nmt",
    "shortcut",
    "shortcut-evolutionary",
    "dspike",
    "dspike-frequent",
    "ltl-offline",
    "ltl-online",
    "ann-ltl",
    "sltt-k",
    "tkd",
]
HYPER = {"dspike": {"weights": 4}, "dspike-frequent": {"weights": 4, "updates_per_epoch": 2}}


class Killed(Exception):
    pass


def kill(epoch, row):
    if epoch == 2:
        raise Killed


@pytest.mark.parametrize("name", NAMES)
def test_it_resumes_to_the_same_bits(name, make_job, tmp_path):
    overlay = {"train": {"epochs": 3, "augment": {"crop": 1}}, "methods": {name: HYPER.get(name, {})}}
    method, teacher = methods.find(name), None
    if taught_by := method.teacher(method.Params()):
        teacher = tmp_path / "teacher"
        do(make_job(taught_by, folder=teacher), "train")

    def experiment(folder):
        return make_job(name, folder=tmp_path / folder, teacher=teacher, **overlay)

    do(whole := experiment("a"), "train")
    with pytest.raises(Killed):
        do(experiment("b"), "train", on_epoch=kill)
    done = []
    do(resumed := experiment("b"), "train", on_epoch=lambda epoch, row: done.append(epoch))
    assert done == [3]
    a, b = (torch.load(e.folder.weights, weights_only=True) for e in (whole, resumed))
    assert all(torch.equal(a[part][k], b[part][k]) for part in a for k in a[part])
    a, b = ([{k: v for k, v in row.items() if k != "seconds"} for row in e.folder.rows("train", "history.csv")]
            for e in (whole, resumed))  # fmt: skip
    assert a == b
