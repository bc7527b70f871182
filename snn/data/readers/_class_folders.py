"""The layout of data sets by folders: `<folder>/{train,test}/<class>/…/<file>`, or `<folder>/<class>/…/<file>`.

With folders `train` and `test` (or `Train` and `Test`) their split is the official one. Classes are the names of the
folders, in alphabetical order. Files and folders whose name begins with a dot are left out, and so are files of other
suffixes.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from snn.data.format import Entry
from snn.errors import DataError

SPLITS = ("train", "test")


def inputs(folder: Path) -> list[Path]:
    """All folders down to those of the classes: adding or removing a file changes the folder that it lies in."""
    tops = list(_tops(folder.expanduser()).values())
    classes = [c for top in tops if top.is_dir() for c in sorted(top.iterdir()) if c.is_dir() and _visible(c)]
    return [*tops, *classes]


def classes(folder: Path, suffixes: Collection[str]) -> list[str]:
    """The names of the classes; `DataError` as for `samples`."""
    return list(next(iter(_files(folder.expanduser(), suffixes).values())))


def samples(folder: Path, suffixes: Collection[str]) -> list[tuple[Path, Entry]]:
    """(file, its entry) of all samples, by split, class and name.

    Raises `DataError` for less than two classes, and for a class without files in one of the splits.
    """
    root = folder.expanduser()
    return [
        (file, Entry(label, file.relative_to(root).as_posix(), split))
        for split, by_class in _files(root, suffixes).items()
        for label, files in enumerate(by_class.values())
        for file in files
    ]


def _tops(root: Path) -> dict[str | None, Path]:
    """{split: the folder that holds the classes}; split None where there is no official one."""
    for spelled in (str, str.capitalize):
        if all((root / spelled(name)).is_dir() for name in SPLITS):
            return {name: root / spelled(name) for name in SPLITS}
    return {None: root}


def _files(root: Path, suffixes: Collection[str]) -> dict[str | None, dict[str, list[Path]]]:
    """{split: {class: files}}, both sorted."""
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; set `folder` to the one that holds a folder for each class")
    tops = _tops(root)
    if None in tops and (lone := _lone_split(root)):
        raise DataError(
            f"{lone}: holds folders, like a split of its own, but there are no two of {' and '.join(SPLITS)}; put the "
            "other one beside it, or its classes directly into the folder above"
        )
    files = {
        split: {
            folder.name: sorted(p for p in folder.rglob("*") if p.suffix.lower() in suffixes and _visible(p))
            for folder in sorted(top.iterdir())
            if folder.is_dir() and _visible(folder)
        }
        for split, top in tops.items()
    }
    names = sorted(set().union(*files.values()))
    if len(names) < 2:
        raise DataError(f"{root}: {len(names)} class folders; it needs a folder for each of two or more classes")
    for split, top in tops.items():
        for name in names:
            if not files[split].get(name):
                *some, last = sorted(suffixes)
                raise DataError(
                    f"class without samples: {top / name} holds no {', '.join(some)} or {last}; put files there, or "
                    "take the class away"
                )
    return files


def _lone_split(root: Path) -> Path | None:
    """A folder called like one of the splits that holds folders: no class, but half of an official split."""
    for folder in sorted(root.iterdir()):
        if folder.name.lower() in SPLITS and folder.is_dir() and any(p.is_dir() for p in folder.iterdir()):
            return folder
    return None


def _visible(path: Path) -> bool:
    return not path.name.startswith(".")
