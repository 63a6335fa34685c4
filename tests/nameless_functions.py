"""Functions of a user around a class that does not tell its name; worker processes can import them."""

from __future__ import annotations

import os

SILENT = "TESTS_SILENT_CLASSES"
"""The environment variable that makes them silent, in worker processes too."""


class Silent(type):
    """The class of classes whose names end whoever asks, while `SILENT` is set."""

    def __getattribute__(cls, name):
        if name in {"__name__", "__qualname__", "__module__"} and SILENT in os.environ:
            raise SystemExit(7)
        return super().__getattribute__(name)


class Nameless(metaclass=Silent):
    """Its name is not to be had."""


class NamelessError(Exception, metaclass=Silent):
    """Nor is that of what is raised."""


THING = Nameless()


def returning(model):
    """A result of that class."""
    return Nameless()


def raising(model):
    """An error of that class."""
    raise NamelessError("no such case")


def naming(model, thing=THING):
    """An object of that class in its defaults, and its module."""
    return 1.0 if thing is THING else 2.0


class Carrying:
    """A function that carries an object of that class."""

    __name__ = "carrying"

    def __init__(self):
        self.thing = THING

    def __call__(self, model):
        return 1.0


def long_winded(model):
    """An error whose text nobody reads."""
    raise ValueError("no such case " * 4_000_000)
