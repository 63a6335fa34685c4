"""Packages that digitalmodel imports and its post-process does not use: left out of processes that are ours alone.

matplotlib, scrapy and the like take two thirds of the seconds that importing digitalmodel takes, in each worker again.
While digitalmodel is imported, the thread that imports it gets a stand-in for them. Whatever asks a stand-in for
something, then or later, on whichever thread, gets the real package, imported at that moment by Python's own lock; from
then on nothing more is left out. Afterwards no stand-in is found by an import: a user's function has the real one.

Only in processes that are ours (`orcabatch.console.is_ours`): in a script or notebook, code of others may look for what
an import leaves behind. Not where the package is there already.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from orcabatch.console import is_ours

UNUSED = (
    "matplotlib", "plotly", "scipy", "deepdiff", "requests", "jinja2", "PIL", "assetutilities.common.webscraping",
)  # fmt: skip
"""What of digitalmodel's imports its post-process never calls, and takes long to import: packages, and what of
assetutilities brings scrapy, twisted and bs4 (a class of it derives from one of scrapy's, which asks for that)."""


@contextmanager
def left_out() -> Iterator[None]:
    """While digitalmodel is imported."""
    packages = frozenset(name for name in UNUSED if name not in sys.modules)
    if not packages or not is_ours():
        yield
        return
    finder = _Finder(packages)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        finder.end()


class _Finder(MetaPathFinder, Loader):
    """Finds stand-ins, on the thread that made it."""

    def __init__(self, packages: frozenset[str]) -> None:
        self._packages = packages
        self._thread = threading.get_ident()
        self._made: dict[str, ModuleType] = {}

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if threading.get_ident() != self._thread or self._packages.isdisjoint(_with_parents(fullname)):
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        made = self._made[spec.name] = _StandIn(spec.name, self)
        return made

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing in it."""

    @property
    def active(self) -> bool:
        """Whether digitalmodel is still being imported, here, and nothing was asked of a stand-in."""
        return self in sys.meta_path and threading.get_ident() == self._thread

    def end(self) -> None:
        """From now on imports find the real packages."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        for name, made in self._made.items():
            if sys.modules.get(name) is made:
                del sys.modules[name]


def _with_parents(name: str) -> Iterator[str]:
    """The module's name, and those of the packages that it is in."""
    while name:
        yield name
        name = name.rpartition(".")[0]


class _StandIn(ModuleType):
    """A module that was not imported."""

    def __init__(self, name: str, finder: _Finder) -> None:
        super().__init__(name)
        self.__dict__["_finder"] = finder

    def __getattr__(self, name: str) -> Any:
        finder: _Finder = self.__dict__["_finder"]
        if name.startswith("__"):
            raise AttributeError(name)  # what imports ask of every module
        if finder.active:  # `from matplotlib import ...`
            return _Name(self, name)
        return getattr(self.real(), name)

    def real(self) -> ModuleType:
        """The module itself."""
        self.__dict__["_finder"].end()
        return importlib.import_module(self.__name__)


class _Name:
    """What was imported from a module that was not: it is called, or asked for something, later, or never."""

    def __init__(self, module: _StandIn, name: str) -> None:
        self._module, self._name = module, name

    def _real(self) -> Any:
        module = self._module.real()
        try:
            return getattr(module, self._name)
        except AttributeError:  # a submodule
            return importlib.import_module(f"{module.__name__}.{self._name}")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real(), name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._real()(*args, **kwargs)

    def __instancecheck__(self, instance: Any) -> bool:
        return isinstance(instance, self._real())

    def __subclasscheck__(self, subclass: type) -> bool:
        return issubclass(subclass, self._real())

    def __mro_entries__(self, _: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self._real(),)
