"""Mutated overlays: `snn plan` says one line or gives a plan, and Snakemake says the same."""

from __future__ import annotations

import copy
import json
import os
import random
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.data import mutations as bytewise

from .runner import ROOT, Finding, Part, Said, Verdict, check, command

VALUES: list[Any] = [
    None, True, False, 0, 1, 2, 3, -1, 7, 2**16, 2**31, 2**63, 2**64, 10**30, 10**400, -(10**400), 0.5, -0.5, 1e-320,
    1e308, float("nan"), float("inf"), -float("inf"), "", "no", "sdt", "mtt", "3c1fc", "saccades", "../../etc",
    "/dev/zero", "a b", "a\nb", "ü", "\u202e", "{x}", "$(touch pwned)", "x" * 300, "x" * 100_000, "1e3", "9" * 400,
    [], {}, [[]], [{}], {"a": 1}, {"": 1}, [1, 2, 3], [1, 1, 1], [0], [-1], [0.5], ["sdt"], ["sdt", "sdt"], [None],
    list(range(2000)), {"base": "3c1fc"}, {"reader": "nmnist"}, {"reader": "saccades", "params": {"samples": 10**12}},
]  # fmt: skip
KEYS = [
    "benchmark",
    "matrix",
    "matrix.also",
    "datasets",
    "methods",
    "train",
    "shift",
    "a.b",
    "",
    "x" * 400,
    "ü",
    "~",
    "of",
]
RAW = [
    b"", b"\0", b"\xff\xfe", b"- a\n", b"a", b"a: [", b"a: b: c", b"\t", b"%YAML 9.9\n---\na: 1\n", b"--- a\n--- b\n",
    b"a: !!int x",
    b"a: !!python/object/apply:os.system [ls]", b"a: &a [*a]", b"<<: 1", b"a: !!timestamp 2020-99-99",
    b"? [a, b]\n: 1\n",
    b"{" * 3000, b"[" * 100_000, b"a: " + b"9" * 5000, b"benchmark: .nan\n", b"benchmark: 2020-01-01\n", b"1: 2\n",
    b"a: 0x" + b"f" * 4000, b"a: 1:2:3:4:5:6\n", b"a: !!binary aaaa\n", b"a: !!set {b}\n",
    b"\xef\xbb\xbfbenchmark: x\n",
]  # fmt: skip
UNREADABLE = (
    "not UTF-8 text",
    "not readable as YAML",
    "inside one another",
    "no value of a configuration",
    "is no text",
)
"""Of refusals of files that no YAML reader, or ours alone, takes for keys and plain values."""
REPORTED = 12
"""Lines that a refusal may have: one a fault, where a configuration has several."""


@cache
def bases() -> list[dict[str, Any]]:
    """The overlays of the project."""
    paths = [path for path in sorted(ROOT.glob("config/**/*.yaml")) if path.name != "config.yaml"]
    return [yaml.safe_load(path.read_text(encoding="utf-8")) for path in [*paths, ROOT / "config/config.yaml"]]


def mutated(rng: random.Random) -> bytes:
    """An overlay with one or several kinds of damage, as a file's content."""
    if rng.random() < 0.05:
        return rng.choice(RAW)
    tree = copy.deepcopy(rng.choice(bases()))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        _damage(tree, rng)
    how = rng.random()
    if how < 0.15:
        content = json.dumps(tree).encode()
    else:
        content = yaml.safe_dump(tree, allow_unicode=rng.random() < 0.5, sort_keys=False).encode("utf-8", "replace")
    return bytewise.mutated(content, rng) if rng.random() < 0.2 else content


def _damage(tree: dict[str, Any], rng: random.Random) -> None:
    if not (values := places(tree)):  # everything was deleted
        return
    container, key = rng.choice(values)
    match rng.choice(
        ["value", "value", "value", "value", "nudge", "delete", "rename", "add", "nest", "copy", "double"]
    ):
        case "value":
            container[key] = copy.deepcopy(rng.choice(VALUES))
        case "nudge" if isinstance(container[key], int | float):
            container[key] += rng.choice([-1, 1, 0.5, 10**9])
        case "delete":
            del container[key]
        case "rename" if isinstance(container, dict):
            container[rng.choice([*KEYS, f"{key}s", str(key)[:-1]])] = container.pop(key)
        case "add" if isinstance(container, dict):
            container[rng.choice(KEYS)] = copy.deepcopy(rng.choice(VALUES))
        case "nest":
            for _ in range(rng.choice([1, 2, 60])):
                container[key] = rng.choice([[container[key]], {str(key): container[key]}])
        case "copy":
            other, place = rng.choice(places(tree))
            container[key] = copy.deepcopy(other[place])
        case "double" if isinstance(container, list):
            container += [copy.deepcopy(container[key])] * rng.choice([1, 2, 500])


def places(tree: Any) -> list[tuple[Any, Any]]:
    """(container, key) of every value."""
    found = []
    if isinstance(tree, dict | list):
        for key in list(tree) if isinstance(tree, dict) else range(len(tree)):
            found += [(tree, key), *places(tree[key])]
    return found


def plan(rng: random.Random) -> Verdict:
    """`snn plan`: and what is accepted is a configuration that the jobs read back as the same."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mutated.yaml"
        path.write_bytes(mutated(rng))
        verdict = check(command("plan", "--configfile", path), most=REPORTED)
        if verdict.outcome == "accepted":
            _check_resolved(path, Path(folder) / "config.json")
        return verdict


def _check_resolved(overlay: Path, resolved: Path) -> None:
    from snn.config.read import read_configuration

    first = read_configuration(ROOT / "config/config.yaml", overlay)
    try:
        resolved.write_text(json.dumps(first.model_dump(mode="json"), allow_nan=False), encoding="utf-8")
    except ValueError as error:
        raise Finding(f"accepted, but no JSON can hold it: {error}") from None
    if read_configuration(resolved) != first:
        raise Finding("accepted, but the jobs would read another configuration")


def dry_run(rng: random.Random) -> Verdict:
    """`snakemake -n` with the same overlay as `snn plan`: refused by both, or by none."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mutated.yaml"
        path.write_bytes(mutated(rng))
        planned = check(command("plan", "--configfile", path), most=REPORTED)
        snakefile = ["-s", str(ROOT / "workflow/Snakefile"), "--directory", folder, "--configfile", str(path)]
        options = ["-n", "--cores", "1", "--quiet", "all"]
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", *options, *snakefile],
            cwd=folder, capture_output=True, text=True, errors="replace", env=environment(Path(folder)),
        )  # fmt: skip
        said = Said(done.returncode, done.stdout, done.stderr)
        if any(
            words in planned.text for words in UNREADABLE
        ):  # Snakemake reads the file itself, before any of our code
            if not done.returncode:
                raise Finding(f"snakemake accepts what cannot be read: {planned.text[:400]}")
            return Verdict("refused", said.err[-300:])
        if "Traceback" in said.out + said.err:
            raise Finding(f"a traceback: {(said.out + said.err)[-600:]}")
        if len(said.err) > 20_000:
            raise Finding(f"{len(said.err)} characters of errors")
        if done.returncode and planned.outcome == "accepted" and not _lacks_an_input(said.err):
            raise Finding(f"snn plan accepts it, snakemake refuses: {said.err[-400:]}")
        if not done.returncode and planned.outcome == "refused":
            raise Finding(f"snakemake accepts it, snn plan refuses: {planned.text[:400]}")
        return Verdict("refused", said.err[-300:]) if done.returncode else Verdict("accepted")


def _lacks_an_input(text: str) -> bool:
    """Only a run looks for the raw data and the scripts that a configuration names."""
    return any(
        words in text for words in ("no such", "not there", "is missing", "Missing input", "download", "put the")
    )


def environment(folder: Path) -> dict[str, str]:
    """Of a run of this project, wherever it is started."""
    left_out = ("MLFLOW_", "SNAKEMAKE_", "SNN_")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
    return inherited | {"XDG_CACHE_HOME": str(folder / ".cache"), "OMP_NUM_THREADS": "1"}


PARTS = [
    Part("overlays/plan", plan, share=0.1),
    Part("overlays/snakemake", dry_run, trials=1, share=0.002, address_space=False),
]
