"""Write requirements.lock: the exact version of every package that project, developers and documentation need.

    python tools/lock.py            # pins what this environment holds
    python tools/lock.py --check    # only says whether the lock still matches it

To take newer versions: make a fresh environment from pyproject.toml (`pip install -e .[dev,docs]` and the three torch
packages below), run the tests, then this. Only the closure of pyproject.toml is pinned, not what else is installed.

A pin is `name==version` and nothing else. No host: where packages come from is a setting of the machine. No local
version (`+cpu`): the same lock serves a machine with a GPU. The CUDA packages (`nvidia-*`, `triton`, ...) that torch
brings along on such a machine are not pinned here, because torch's own metadata pins each of them exactly, and because
a machine without a GPU must not have to fetch them.
"""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
# spikingjelly asks for torchvision and torchaudio without versions; unpinned, they would pull another torch.
TOGETHER = ["torch", "torchvision", "torchaudio"]
# Needed on newer Pythons only, so that the environment of the oldest one does not have them.
NEWER = {
    "audioop-lts": ("0.2.2", "3.13"),
    "standard-aifc": ("3.13.0", "3.13"),
    "standard-chunk": ("3.13.0", "3.13"),
    "standard-sunau": ("3.13.0", "3.13"),
}
CUDA = ("nvidia-", "cuda-", "triton")
HEAD = "# Every package of the environment, pinned. Written by tools/lock.py; see CONTRIBUTING.md.\n"


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OLDEST = f"{PROJECT['requires-python'].removeprefix('>=')}.0"
"""The oldest Python that every pin has to be there for."""


def roots() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"]
    return [Requirement(line) for line in [*PROJECT["dependencies"], *extras["dev"], *extras["docs"], *TOGETHER]]


def closure(todo: list[Requirement]) -> dict[str, str]:
    """Canonical name → version of all that `todo` asks for in this environment, extras and markers heeded."""
    pins: dict[str, str] = {}
    done: set[tuple[str, frozenset[str]]] = set()
    while todo:
        requirement = todo.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in done or name.startswith(CUDA):
            continue
        done.add((name, extras))
        try:
            found = distribution(name)
        except PackageNotFoundError:
            sys.exit(f"{name} is not installed here; install it and run this again")
        pythons = found.metadata.get("Requires-Python") or ""
        if not SpecifierSet(pythons).contains(OLDEST):
            sys.exit(
                f"{name} {found.version} needs Python {pythons}, the project runs with {OLDEST}; install an older one"
            )
        pins[name] = Version(found.version).public
        for line in found.requires or []:
            inner = Requirement(line)
            environments = [default_environment() | {"extra": extra} for extra in extras or {""}]
            if inner.marker is None or any(inner.marker.evaluate(environment) for environment in environments):
                todo.append(inner)
    return pins


def text() -> str:
    pins = {name: f"{name}=={version}" for name, version in closure(roots()).items()}
    pins |= {name: f'{name}=={version}; python_version >= "{python}"' for name, (version, python) in NEWER.items()}
    return HEAD + "".join(f"{pins[name]}\n" for name in sorted(pins))


def main() -> None:
    new, old = text(), LOCK.read_text() if LOCK.exists() else ""
    if "--check" in sys.argv[1:]:
        if new != old:
            difference = sorted(set(new.splitlines()) ^ set(old.splitlines()))
            sys.exit("requirements.lock does not match this environment: " + ", ".join(difference))
    elif new != old:
        LOCK.write_text(new)
    print(f"requirements.lock: {len(new.splitlines()) - 1} packages")


if __name__ == "__main__":
    main()
