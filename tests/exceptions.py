"""Every exception of the standard library and one of a user's, by a name that a file can have; what throws them."""

from __future__ import annotations

import asyncio
import concurrent.futures.process
import importlib
import json
import multiprocessing
import pickle
import queue
import sqlite3
import subprocess
import zlib

_HOMES = (asyncio, concurrent.futures.process, json, multiprocessing, pickle, queue, sqlite3, subprocess, zlib)
"""Imported for their exceptions."""


class OfTheUser(BaseException):
    """As a test framework has it for its own ends."""


class UnspeakableError(Exception):
    """An ordinary exception whose words raise another."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def __str__(self):
        raise made(self.kind)


def kinds():
    """All of them: the classes themselves."""
    found, waiting = {}, [BaseException]
    while waiting:
        kind = waiting.pop()
        waiting += type.__subclasses__(kind)
        home = kind.__module__.partition(".")[0]
        if home in {"builtins", *(each.__name__.partition(".")[0] for each in _HOMES)}:
            found[name_of(kind)] = kind
    return [found[name] for name in sorted(found) if by_name(name) is found[name]] + [OfTheUser]


def name_of(kind):
    """As a part of a file's name."""
    return f"{kind.__module__}-{kind.__qualname__}"


def by_name(name):
    """The class of this name; None where a module hides it."""
    module, _, qualified = name.partition("-")
    found = importlib.import_module(module)
    for part in qualified.split("."):
        found = getattr(found, part, None)
    return found


def made(kind):
    """One of its instances, whatever its arguments are."""
    if issubclass(kind, BaseExceptionGroup):
        return kind("several", [ValueError() if issubclass(kind, Exception) else GeneratorExit()])
    return kind.__new__(kind)


def of_file(sim_file):
    """An instance of the class that the file is named after."""
    return made(by_name(sim_file.stem))


class Hostile:
    """A value whose methods raise what its file is named after."""

    def __init__(self, name, at):
        self.name, self.at = name, at

    def _meets(self, place):
        if self.at == place:
            raise made(by_name(self.name))

    def __reduce__(self):
        self._meets("packing")
        return unpacked, (self.name, self.at)

    def __len__(self):
        self._meets("looking")
        return 0

    __iter__ = __bool__ = __eq__ = __hash__ = __float__ = __array__ = __len__

    def __repr__(self):
        self._meets("looking")
        return "hostile"


def unpacked(name, at):
    """The value on the other side."""
    if at == "unpacking":
        raise made(by_name(name))
    return Hostile(name, at)


class HostileList(list):
    """The same, as a list."""

    def __init__(self, name):
        super().__init__([1.0])
        self.name = name

    def __iter__(self):
        raise made(by_name(self.name))

    __len__ = __eq__ = __contains__ = __repr__ = __iter__
    __hash__ = None

    def __reduce__(self):
        return list, ([1.0],)


class HostileDict(dict):
    """The same, as a mapping."""

    def __init__(self, name):
        super().__init__(tension=1.0)
        self.name = name

    def items(self):
        raise made(by_name(self.name))

    __iter__ = __len__ = __eq__ = __repr__ = keys = values = items
    __hash__ = None

    def __reduce__(self):
        return dict, ([("tension", 1.0)],)


def raising(model, sim_file):
    """The function itself."""
    raise of_file(sim_file)


def unspeakable(model, sim_file):
    """What its exception says of itself."""
    raise UnspeakableError(by_name(sim_file.stem))


def generating(model, sim_file):
    """A finished value that was made of a generator that raised on the way."""

    def items():
        yield 1
        raise of_file(sim_file)

    return list(items())


def packing(model, sim_file):
    """A value that cannot be packed."""
    return Hostile(sim_file.stem, "packing")


def unpacking(model, sim_file):
    """A value that cannot be unpacked."""
    return Hostile(sim_file.stem, "unpacking")


def looking(model, sim_file):
    """A value that cannot be looked at."""
    return Hostile(sim_file.stem, "looking")


def listing(model, sim_file):
    """A list that cannot be gone through."""
    return HostileList(sim_file.stem)


def mapping(model, sim_file):
    """A mapping that cannot be gone through."""
    return HostileDict(sim_file.stem)


BORDERS = (raising, unspeakable, generating, packing, unpacking, looking, listing, mapping)


def everywhere(model, sim_file):
    """At the border that the file's folder is named after."""
    return globals()[sim_file.parent.name](model, sim_file)
