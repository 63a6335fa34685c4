"""Which file changes what in the configuration, and who has to wait for it.

digitalmodel's serial loop hands one configuration from file to file and changes it on the way. Whatever changes, the
first file that stands in the output changes it: its stop time ends every open period of the time series, and it alone
selects a current. So one file (the leader) runs on the configuration as given, all others on the settled one, and only
configurations that need the leader's stop time make the others wait, and only until the leader is loaded.

A leader that fails counts as if it had not been in the list: the next file leads. Once one has ended well, what was
done with another configuration is done again; not before, or where all fail each would be done again with every leader.
Covers these decisions, without threads, clocks or models. Does not cover the extraction itself
(`orcabatch.digitalmodel.postprocess`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from orcabatch.digitalmodel.outputs import columns, flagged, writes_series


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
class Variant:
    """Which configuration one file is done with.

    Attributes:
        settled: whether it gets the settled configuration, or the one given.
        stop_time: what ends open periods in the settled one, in seconds of simulation time; None where none is open.
    """

    settled: bool = False
    stop_time: float | None = None


AS_GIVEN = Variant()


def needs_of(cfg: Mapping[str, Any]) -> Needs:
    """What the files of a serial run over this (merged) configuration depend on."""
    appended = list(_indexless(cfg))
    selects = any("RefCurrent" in str(names[0]) for names in appended)
    stop_time = any(True for _ in _open_periods(cfg))
    return Needs(stop_time=stop_time, leader=stop_time or selects or _shared(appended, cfg), selects=selects)


def may_need(cfg: Mapping[str, Any]) -> Needs:
    """What they may depend on as long as masters are not merged: a column may have its period from there."""
    masters = {**cfg, "time_series_settings": {"data": True, **(cfg.get("time_series_settings_master") or {})}}
    open_there = writes_series(cfg) and any(True for _ in _open_periods(masters))
    return replace(needs_of(cfg), stop_time=True) if open_there else needs_of(cfg)


def settle(cfg: Mapping[str, Any], stop_time: float | None) -> None:
    """Change `cfg` in place as digitalmodel's pass over the leader does."""
    for names in list(_indexless(cfg)):
        if len(names) == 1:
            names.append(0)  # in place, as digitalmodel does: columns that share the list by a YAML anchor get it too
    for period in list(_open_periods(cfg)):
        period[1] = stop_time


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


class SerialOrder:
    """Who leads, who has to wait, and what is done with which variant; events change it.

    An event is a few steps, and one more for each file that it has done again: nobody's variant changes but by
    another leader or its stop time, and what is done is kept by its variant, so that only variants that no longer hold
    are looked into.

    Args:
        needs: what the files depend on; nothing where each file is done as if it were alone.
        count: how many files the batch has.
    """

    def __init__(self, needs: Needs, count: int) -> None:
        self.needs, self._count = needs, count
        self._leader, self._stands = 0, False
        self._stop_times: dict[int, float] = {}
        self._given: dict[int, Variant] = {}
        self._done: dict[Variant, set[int]] = {}
        self._out: set[int] = set()

    def __copy__(self) -> SerialOrder:
        """Another one with the same past."""
        twin = SerialOrder(self.needs, self._count)
        twin._leader, twin._stands, twin._out = self._leader, self._stands, set(self._out)
        twin._stop_times, twin._given = dict(self._stop_times), dict(self._given)
        twin._done = {variant: set(files) for variant, files in self._done.items()}
        return twin

    @property
    def leader(self) -> int | None:
        """The first file that may still stand in the output; None when all have failed."""
        return self._leader if self._leader < self._count else None

    @property
    def stop_time(self) -> float | None:
        """What ends open periods, in seconds of simulation time: the leader's stop time; None while it is not known."""
        return self._stop_times.get(self._leader)

    def variant(self, i: int) -> Variant | None:
        """How file `i` is to be done, as far as is known; None: it has to wait for the leader to be loaded."""
        if not self.needs.leader or i == self._leader or i in self._out:
            return AS_GIVEN
        return self._settled()

    def started(self, i: int) -> Variant:
        """File `i` starts; returns how it is to be done: without what it ought to wait for, it is done again."""
        self._take_back(i)
        self._given[i] = self.variant(i) or Variant(settled=True)  # which holds for nobody: it is no leader's either
        return self._given[i]

    def loaded(self, i: int, stop_time: float) -> tuple[int, ...]:
        """File `i` is loaded; returns the finished files that have to be done again."""
        decides = i == self._leader and self._stop_times.get(i) != stop_time
        self._stop_times[i] = stop_time
        return self._again() if decides else ()

    def finished(self, i: int, *, ok: bool, unloadable: bool = False) -> tuple[int, ...]:
        """File `i` ended; returns the finished files (`i` among them) that have to be done again.

        One that fails in loading, hangs, or fails as leader does not stand in the output whatever the configuration.
        """
        given = self._given.get(i, AS_GIVEN)
        if not ok and (unloadable or (i == self._leader and given == AS_GIVEN)):
            self._out.add(i)
            return self._hand_over() if i == self._leader else ()
        leads = i == self._leader
        # None: the new leader is not loaded yet. It may stop where the one before did; then this result still holds.
        if i not in self._out and (leads or self._stands) and self.variant(i) not in {given, None}:
            return (i,)
        self._done.setdefault(given, set()).add(i)
        self._stands = self._stands or leads
        return self._again() if leads else ()

    def _settled(self) -> Variant | None:
        """How all but the leader are to be done."""
        if not self.needs.stop_time:
            return Variant(settled=True)
        return None if self.stop_time is None else Variant(settled=True, stop_time=self.stop_time)

    def _hand_over(self) -> tuple[int, ...]:
        self._stands = False
        while self._leader in self._out:
            self._leader += 1
        return self._again()

    def _again(self) -> tuple[int, ...]:
        """Take back what was done with a variant that holds no longer; others' than the leader's once it stands."""
        if not self.needs.leader:
            return ()
        settled = self._settled()
        others = self._done.items() if self._stands else ()
        stale = {i for variant, files in others if settled not in {None, variant} for i in files}
        led = self._given.get(self._leader, AS_GIVEN)
        if led == AS_GIVEN:  # as a leader has to be done, whatever holds for the others
            stale.discard(self._leader)
        elif self._leader in self._done.get(led, ()):  # it was done as a follower before it came to lead
            stale.add(self._leader)
        for i in stale:
            self._take_back(i)
        return tuple(sorted(stale))

    def _take_back(self, i: int) -> None:
        given = self._given.get(i, AS_GIVEN)
        files = self._done.get(given, set())
        files.discard(i)
        if not files:
            self._done.pop(given, None)
