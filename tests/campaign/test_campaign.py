"""The campaign in small, so that it cannot rot; and that its runner sees what breaks the rule."""

from __future__ import annotations

import os
import signal
import time

import pytest

from .classes import PARTS
from .runner import Finding, Part, Row, Verdict, one, run, table

BY_NAME = {part.name: part for part in PARTS}
SMALL = {
    "overlays/plan": 12,
    "recordings/idx": 5,
    "downloads/archives": 12,
    "networks/npz": 5,
    "results/stores": 12,
    "results/checkpoints": 3,
    "results/weights": 8,
    "results/records": 4,
    "events/chunkings": 20,
}
"""Class -> trials; the others take longer than a unit test may."""


@pytest.mark.parametrize("name", SMALL)
def test_no_finding_in_a_few_trials(name):
    row = run(BY_NAME[name], seed=1, numbers=range(SMALL[name]))
    assert not row.findings
    assert row.tried == SMALL[name] == row.refused + row.accepted


def test_every_class_has_a_name_of_its_own():
    assert len(BY_NAME) == len(PARTS)


def hangs(rng):
    time.sleep(60)


def crashes(rng):
    os.kill(os.getpid(), signal.SIGKILL)


def fails(rng):
    raise KeyError("x")


def finds(rng):
    raise Finding("silence")


@pytest.mark.parametrize(
    ("trial", "words"), [(hangs, "took over"), (crashes, "signal 9"), (fails, "KeyError"), (finds, "silence")]
)
def test_what_breaks_the_rule_is_a_finding_and_the_next_trials_run(trial, words):
    def every_second(rng):
        return trial(rng) if rng.random() < 0.5 else Verdict("accepted")

    part = Part("p", every_second, limit=1 if trial is hangs else 20)
    row = run(part, 0, range(4))
    assert row.findings
    assert all(words in text for _, text in row.findings)
    assert row.tried == 4 == row.accepted + len(row.findings)


def test_the_same_seed_and_number_make_the_same_trial():
    part = Part("p", lambda rng: Verdict("refused", str(rng.random())))
    assert one(part, 3, 7) == one(part, 3, 7)
    assert one(part, 3, 7) != one(part, 3, 8)
    assert run(part, 3, range(7, 8)).lines == [one(part, 3, 7).text]


def test_what_cannot_be_done_here_is_skipped_by_name():
    row = run(Part("p", crashes, missing=lambda: "no root"), 0, range(3))
    assert (row.tried, row.skipped) == (0, "no root")
    lines = table([row, Row("q", tried=3, refused=2, accepted=1)]).splitlines()
    assert lines[2] == "| p | skipped: no root | | | | |"
    assert lines[-1] == "| **all** | **3** | **2** | **1** | **0** | **0** |"
