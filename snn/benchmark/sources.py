"""The digest of the source files that a job's result depends on.

Snakemake reruns a job when its `params` change, but it does not see edits in imported modules. The rules therefore
pass the digest of the *import closure* of the phase and of the method, network and reader in use. Imports are read
from the text, nothing is executed. What is found by name at run time (the registries) is not part of a
closure by itself: editing one method touches that method's jobs only.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "snn"


def path_of(module: str) -> Path | None:
    """The file of a module of this project, or None."""
    stem = ROOT.joinpath(*module.split("."))
    for candidate in (stem / "__init__.py", stem.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None


# A statement of its own line, its names perhaps in parentheses over several. Every job asks for its digest before it
# starts, and a syntax tree of each file would be most of that (a test holds both ways of reading together).
IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(\.*)([\w.]*)[ \t]+import[ \t]+(\([^)]*\)|[^\n]+)|import[ \t]+([^\n]+))", re.MULTILINE
)


@cache
def imports_of(module: str) -> frozenset[str]:
    """The project's modules that `module` names in an import statement, at any depth of its code."""
    path = path_of(module)
    found = set()
    for dots, base, names, whole in IMPORT.findall(path.read_text(encoding="utf-8")):
        if dots:
            package = (module if path.name == "__init__.py" else module.rpartition(".")[0]).split(".")
            base = ".".join(filter(None, [*package[: len(package) - len(dots) + 1], base]))
        listed = re.sub(r"#[^\n]*", "", names or whole).strip("() \t\n").split(",")
        named = {name.split(" as ")[0].strip() for name in listed} - {""}
        found |= {base, *(f"{base}.{name}" for name in named)} if names else named
    return frozenset(m for m in found if m.split(".")[0] == PACKAGE and path_of(m))


def closure(*modules: str) -> set[str]:
    """All the project's modules that importing `modules` can load, their packages included."""
    todo, done = list(modules), set()
    while todo:
        module = todo.pop()
        if module in done:
            continue
        if path_of(module) is None:
            raise ModuleNotFoundError(f"no module {module!r} in the project")
        done.add(module)
        todo.extend(imports_of(module))
        todo.extend(filter(None, [module.rpartition(".")[0]]))
    return done


def files(*modules: str) -> list[Path]:
    return sorted(path_of(m) for m in closure(*modules))


def digest(*modules: str) -> str:
    """Twelve hex digits over names and bytes of the closure's files."""
    h = hashlib.sha256()
    for path in files(*modules):
        h.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return h.hexdigest()[:12]
