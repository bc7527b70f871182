"""Planning without torch: the libraries that compute are stood in for while a plan is made.

A plan asks methods, networks and readers for their parameters, teachers and checks, which are in the same files as
their computations: importing these files imports torch, seconds for every dry-run and for every job on a cluster, where
Snakemake reads the workflow again. Inside `without_torch()` such an import gives stand-ins instead, as Sphinx's
`autodoc_mock_imports` does for documentation: classes can inherit from them and annotations can name them, and calling
a class that does raises RuntimeError. A method's file therefore needs nothing for this, except that what it computes at
import, and in `check`, `check_beside` and `teacher`, uses plain Python (`tests/runtime/test_planning.py` compares the
plans of all configurations with and without torch).
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

LIBRARIES = ("torch", "spikingjelly", "numba")


@contextlib.contextmanager
def without_torch() -> Iterator[None]:
    """Stand-ins for `LIBRARIES` inside the block; nothing changes where torch is imported already.

    This project's modules that are imported inside keep the stand-ins, so this is for processes that plan and compute
    nothing: the workflow's, `snn plan` and `snn status`.
    """
    if "torch" in sys.modules:
        yield
        return
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name, module in sys.modules.items() if isinstance(module, _Library)]:
            del sys.modules[name]


class _StandIn(type):
    """The type of the classes that stand for what a library has, and of the classes that inherit from them."""

    def __getattr__(cls, name: str) -> Any:
        if "stands_for" not in vars(cls) or name.startswith("__"):
            raise AttributeError(f"{cls.__name__} has no {name}; torch is not imported while a plan is made")
        return _stand_in(f"{cls.stands_for}.{name}")

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if "stands_for" not in vars(cls):
            raise RuntimeError(f"{cls.__name__}: torch is not imported while a plan is made")
        # The only calls at import are decorators, with arguments or without.
        return args[0] if len(args) == 1 and callable(args[0]) and not kwargs else lambda decorated: decorated

    def __getitem__(cls, _: Any) -> Any:
        return cls


def _stand_in(name: str) -> _StandIn:
    return _StandIn(name.rpartition(".")[2], (), {"stands_for": name})


class _Library(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _stand_in(f"{self.__name__}.{name}")


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] not in LIBRARIES:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Library(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass
