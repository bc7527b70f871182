"""A killed training resumes to the same bits, whatever a method carries from epoch to epoch."""

from __future__ import annotations

import csv

import pytest
import torch

from snn import methods
from snn.phases.train import train

# Those whose state or draws differ from `sdt` and `mtt`, which tests/test_training.py resumes.
NAMES = ["nmt", "shortcut", "shortcut-evolutionary", "dspike", "ltl-offline", "ltl-online"]
FEW = {"dspike": {"weights": 4}}


class Killed(Exception):
    pass


def kill(epoch, row):
    if epoch == 2:
        raise Killed


@pytest.mark.parametrize("name", NAMES)
def test_it_resumes_to_the_same_bits(name, make_job, tmp_path):
    recipe = {"train": {"epochs": 3, "augment": {"crop": 1}}, "methods": {name: FEW.get(name, {})}}
    teacher = tmp_path / "teacher" if methods.find(name).teacher else None
    if teacher:
        train(make_job("ann", folder=teacher), 100)

    def job(folder):
        return make_job(name, folder=tmp_path / folder, **recipe)

    train(whole := job("a"), 100, teacher)
    with pytest.raises(Killed):
        train(job("b"), 100, teacher, live=kill)
    done = []
    train(resumed := job("b"), 100, teacher, live=lambda epoch, row: done.append(epoch))
    assert done == [3]
    a, b = (torch.load(j.out / "weights.pt", weights_only=True) for j in (whole, resumed))
    assert all(torch.equal(a[part][k], b[part][k]) for part in a for k in a[part])
    a, b = ([{k: v for k, v in r.items() if k != "seconds"} for r in csv.DictReader((j.out / "history.csv").open())]
            for j in (whole, resumed))  # fmt: skip
    assert a == b
