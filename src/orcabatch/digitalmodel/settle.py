"""Which file changes what in the configuration, and who has to wait for it.

digitalmodel's serial loop hands one configuration from file to file and changes it on the way. Whatever changes, the
first file that stands in the output changes it: its stop time ends every open period of the time series, and it alone
selects a current. So one file (the leader) runs on the configuration as given, all others on the settled one, and only
configurations that need the leader's stop time make the others wait, and only until the leader is loaded.

A leader that fails counts as if it had not been in the list: the next file leads, and what was done with another
configuration is done again. Covers these decisions as values, without threads, clocks or models. Does not cover the
extraction itself (`orcabatch.digitalmodel.adapter`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Needs:
    """What a configuration makes the files of a serial run depend on.

    Attributes:
        stop_time: an open period of the time series takes the leader's stop time.
        leader: the leader's own results differ from what it would get as a follower.
        selects: the leader, and nobody else, selects a current.
    """

    stop_time: bool = False
    leader: bool = False
    selects: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """How one file is to be done.

    Attributes:
        settled: whether it gets the settled configuration, or the one given.
        stop_time: what ends open periods in the settled one, in seconds of simulation time; None where none is open.
    """

    settled: bool = False
    stop_time: float | None = None


AS_GIVEN = Order()


def needs_of(cfg: Mapping[str, Any]) -> Needs:
    """What the files of a serial run over this (merged) configuration depend on."""
    appended = list(_indexless(cfg))
    selects = any("RefCurrent" in str(names[0]) for names in appended)
    stop_time = any(True for _ in _open_periods(cfg))
    return Needs(stop_time=stop_time, leader=stop_time or selects or _shared(appended, cfg), selects=selects)


def settle(cfg: Mapping[str, Any], stop_time: float | None) -> None:
    """Change `cfg` in place as digitalmodel's pass over the leader does."""
    for names in list(_indexless(cfg)):
        if len(names) == 1:
            names.append(0)
    for period in list(_open_periods(cfg)):
        period[1] = stop_time


def writes_series(cfg: Mapping[str, Any]) -> bool:
    """Whether digitalmodel writes time series for this configuration."""
    settings = cfg.get("time_series_settings")
    return flagged(cfg, "time_series") and settings is not None and bool(settings.get("data"))


def flagged(cfg: Mapping[str, Any], output: str) -> bool:
    """Whether `orcaflex.postprocess.<output>.flag` is on."""
    section = cfg["orcaflex"]["postprocess"].get(output) or {}
    return bool(section.get("flag"))


def columns(cfg: Mapping[str, Any], settings: str) -> Iterator[dict[str, Any]]:
    """All columns of all groups of `summary_settings` or another settings section, in order."""
    for group in (cfg.get(settings) or {}).get("groups") or ():
        yield from group.get("Columns") or ()


def _open_periods(cfg: Mapping[str, Any]) -> Iterator[list[Any]]:
    """The periods of time series that end where the simulation does."""
    for column in columns(cfg, "time_series_settings") if writes_series(cfg) else ():
        period = column.get("SimulationPeriod")
        if isinstance(period, list) and len(period) > 1 and period[1] is None:
            yield period


def _indexless(cfg: Mapping[str, Any]) -> Iterator[list[Any]]:
    """Data names of the environment given without an index: digitalmodel appends one, and may select a current."""
    for column in columns(cfg, "summary_settings") if flagged(cfg, "summary") else ():
        names = column.get("Variable")
        asked = column.get("Command") in {"GetData", "Get Data"} and column.get("ObjectName") == "Environment"
        if asked and isinstance(names, list) and len(names) == 1:
            yield names


def _shared(lists: list[list[Any]], cfg: Mapping[str, Any]) -> bool:
    """Whether one of these lists stands in several columns (a YAML anchor): then the order of columns matters too."""
    sections = ("summary_settings", "linked_statistics_settings", "time_series_settings")
    everywhere = [id(column.get("Variable")) for section in sections for column in columns(cfg, section)]
    return any(everywhere.count(id(names)) > 1 for names in lists)


@dataclass(frozen=True, slots=True)
class Settling:
    """The state of a batch's settling: `state, redo = state.<event>(...)`.

    Attributes:
        needs: what the files depend on; nothing where each file is done as if it were alone.
        count: how many files the batch has.
        stop_times: stop times of the files that were loaded, in seconds of simulation time.
        given: how each started file was told to be done.
        done: whether each finished file succeeded, under the order it was given.
        out: files that do not stand in the output whatever the configuration: they failed as leader, or in loading.
    """

    needs: Needs
    count: int
    stop_times: Mapping[int, float] = field(default_factory=dict)
    given: Mapping[int, Order] = field(default_factory=dict)
    done: Mapping[int, bool] = field(default_factory=dict)
    out: frozenset[int] = frozenset()

    @property
    def leader(self) -> int | None:
        """The first file that may still stand in the output; None when all have failed."""
        return next((i for i in range(self.count) if i not in self.out), None)

    @property
    def stop_time(self) -> float | None:
        """What ends open periods: the leader's stop time; None while it is not known."""
        return None if self.leader is None else self.stop_times.get(self.leader)

    def order(self, i: int) -> Order | None:
        """How file `i` is to be done, as far as is known; None: it has to wait for the leader to be loaded."""
        if not self.needs.leader or i == self.leader or i in self.out:
            return AS_GIVEN
        if not self.needs.stop_time:
            return Order(settled=True)
        return None if self.stop_time is None else Order(settled=True, stop_time=self.stop_time)

    def started(self, i: int) -> Settling:
        """File `i` starts with `order(i)`."""
        order = self.order(i) or AS_GIVEN
        return replace(self, given={**self.given, i: order}, done=_without(self.done, {i}))

    def loaded(self, i: int, stop_time: float) -> tuple[Settling, tuple[int, ...]]:
        """File `i` is loaded; returns the finished files that have to be done again."""
        state = replace(self, stop_times={**self.stop_times, i: stop_time})
        decides = i == self.leader and self.stop_times.get(i) != stop_time
        return state._again(self.done if decides else ())

    def finished(self, i: int, *, ok: bool, unloadable: bool = False) -> tuple[Settling, tuple[int, ...]]:
        """File `i` ended; returns the finished files (`i` among them) that have to be done again."""
        state = replace(self, done={**self.done, i: ok})
        led = i == self.leader and self.given.get(i, AS_GIVEN) == AS_GIVEN
        if not ok and (unloadable or led):
            state = replace(state, out=self.out | {i})
        return state._again((i,) if state.out == self.out else state.done)

    def _again(self, among: Iterable[int]) -> tuple[Settling, tuple[int, ...]]:
        """Take back what was done under an order that holds no longer; `among` are those whose order may have changed.

        Nobody's order changes but by another leader or its stop time: looking at all of 100,000 files after each one
        would cost more than the files.
        """
        redo = tuple(i for i in sorted(among) if self._stale(i))
        return (replace(self, done=_without(self.done, set(redo))) if redo else self), redo

    def _stale(self, i: int) -> bool:
        order = self.order(i)
        return i not in self.out and order is not None and self.given.get(i, AS_GIVEN) != order


def _without(mapping: Mapping[int, bool], keys: set[int]) -> dict[int, bool]:
    return {key: value for key, value in mapping.items() if key not in keys}
