"""The digest of the source files that a job's result depends on.

Snakemake reruns a job when its `params` change, but it does not see edits in imported modules. The rules therefore
pass the digest of the *import closure* of the phase and of the method, network and reader in use. Imports are read
from the syntax tree, nothing is executed; those for type checkers alone (`if TYPE_CHECKING:`) count too, since a
package may import on use what it names there. What is found by name at run time (the registries) is not part of a
closure by itself: editing one method touches that method's jobs only.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
"""The folder of the project."""
PACKAGE = "snn"


def path_of(module: str) -> Path | None:
    """The file of a module of this project, or None."""
    stem = ROOT.joinpath(*module.split("."))
    for candidate in (stem / "__init__.py", stem.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None


def file_of(module: str) -> Path:
    """The file of a module of this project. ModuleNotFoundError if there is none."""
    if (path := path_of(module)) is None:
        raise ModuleNotFoundError(f"no module {module!r} in the project")
    return path


@cache
def imports_of(module: str) -> frozenset[str]:
    """The project's modules that `module` names in an import statement, at any depth of its code."""
    path = file_of(module)
    package = (module if path.name == "__init__.py" else module.rpartition(".")[0]).split(".")
    names: set[str] = set()
    for node in _statements(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join(filter(None, [*above, node.module]))
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return frozenset(name for name in names if name.split(".")[0] == PACKAGE and path_of(name))


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """`node` and all statements below it."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield from _statements(child)


def closure(*modules: str) -> set[str]:
    """All the project's modules that importing `modules` can load, their packages included."""
    todo, done = list(modules), set()
    while todo:
        module = todo.pop()
        if module in done:
            continue
        done.add(module)
        todo.extend(imports_of(module))
        todo.extend(filter(None, [module.rpartition(".")[0]]))
    return done


def files(*modules: str) -> list[Path]:
    """The files of the closure, sorted."""
    return sorted(file_of(module) for module in closure(*modules))


def digest(*modules: str) -> str:
    """Twelve hex digits over names and bytes of the closure's files."""
    h = hashlib.sha256()
    for path in files(*modules):
        h.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return h.hexdigest()[:12]
