"""Configuration files that cannot be used: one line that names the file and what to do."""

from __future__ import annotations

import pytest

from snn.benchmark.plan import Plan
from snn.cli import main
from snn.config.read import read_yaml
from snn.errors import ConfigError

BOMB = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"question: gr\xfc\xdfe\n", "not UTF-8 text"),
        (b"a: 2020-99-99\n", "not readable as YAML"),
        (b"a: !!int x\n", "not readable as YAML"),
        (b"a: " + b"9" * 10_000 + b"\n", "not readable as YAML"),
        (b"a: " + b"[" * 500 + b"]" * 500, "inside one another"),
        (b"a: " + b"[" * 100_000, "inside one another"),
        (b"a: !!binary aGVsbG8=\n", "a bytes is no value"),
        (b"a: 2020-01-01\n", "a date is no value"),
        (b"1: a\n", "is no text"),
        (b"a: &x {b: *x}\n", "refers to a block that holds it"),
        (BOMB.encode(), "stands for more than"),
        (b"- a\n", "must hold keys and values"),
        (b"\x00\x01", "not readable as YAML"),
        (b"#" * 2_000_000, "larger than"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path, content, words, capsys):
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=words) as error:
        read_yaml(path)
    assert "bad.yaml" in str(error.value)
    assert len(str(error.value)) < 1000
    assert main(["plan", "--configfile", str(path)]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_folder_is_no_configuration(tmp_path):
    with pytest.raises(ConfigError, match="not readable: Is a directory"):
        read_yaml(tmp_path)


def test_numbers_of_a_json_file_are_numbers(tmp_path):
    (tmp_path / "config.json").write_text('{"recipes": {"tet": {"train": {"lr": 1e-05}}}}')
    assert read_yaml(tmp_path / "config.json") == {"recipes": {"tet": {"train": {"lr": 1e-5}}}}
    (tmp_path / "half.json").write_text('{"recipes": ')
    with pytest.raises(ConfigError, match=r"half\.json: not readable as JSON"):
        read_yaml(tmp_path / "half.json")


INFINITE = [
    {"train": {"clip_norm": float("inf")}},
    {"train": {"weight_decay": float("inf")}},
    {"deploy": {"energy_pj_per_synop": float("inf")}},
    {"deploy": {"times_ms": [float("inf")]}},
    {"probe": {"weight_noise": [float("inf")]}},
    {"probe": {"events_added": [float("nan")]}},
    {"robustness": {"noise": [float("inf")]}},
    {"methods": {"dspike": {"samples": float("inf")}}},
    {"methods": {"dspike": {"change": float("inf")}}},
    {"networks": {"3c1fc": {"gain": float("inf")}}},
    {"datasets": {"saccades": {"params": {"noise_hz": float("inf")}}}},
]
HUGE = [
    {"matrix": {"seeds": [10**30]}},
    {"matrix": {"t_train": [10**9]}},
    {"train": {"augment": {"roll": 10**12}}},
    {"train": {"epochs": 10**15}},
    {"benchmark": "b" * 300},
    {"datasets": {"d" * 300: {"reader": "saccades"}}},
    {"variants": {"v" * 300: {"base": "3c1fc"}}},
    {"question": "why " * 100_000},
]


@pytest.mark.parametrize("overlay", INFINITE + HUGE)
def test_what_is_infinite_or_out_of_all_bounds_is_refused(overlay, base_configuration):
    with pytest.raises(ConfigError) as error:
        Plan.load(base_configuration(**overlay))
    assert next(iter(overlay)) in str(error.value)
    assert len(str(error.value)) < 1000, "a message does not repeat what was given at length"


def test_a_message_does_not_repeat_long_input(tmp_path, capsys):
    foreign = f"foreign: {{mine: {{script: {'z' * 100_000}}}}}\nmatrix: {{methods: [mine]}}\n"
    (tmp_path / "name.yaml").write_text(foreign)
    assert main(["plan", "--configfile", str(tmp_path / "name.yaml")]) == 2
    message = capsys.readouterr().err
    assert len(message) < 1000
    assert "file name too long" in message
    (tmp_path / "long.yaml").write_text(f"matrix: {{methods: [{'x' * 100_000}, {'y' * 100_000}]}}\n")
    assert main(["plan", "--configfile", str(tmp_path / "long.yaml")]) == 2
    assert len(capsys.readouterr().err) < 2500
    many = "".join(f"  key{number}: 1\n" for number in range(500))
    (tmp_path / "many.yaml").write_text(f"train:\n{many}")
    assert main(["plan", "--configfile", str(tmp_path / "many.yaml")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11
    assert lines[-1] == "and 490 more faults"
