"""Checks of threads: Python's lock, two models at once, and (only where asked) calls on the wrong thread."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from orcabatch.doctor.assumptions import Verdict
from orcabatch.doctor.contact import Answer, Contact, answered, timed
from orcabatch.doctor.models import agree, digests
from orcabatch.orcaflex.failures import THREAD_AFFINITY
from orcabatch.orcaflex.session import destroy
from orcabatch.own_thread import OwnThread
from orcabatch.sleep import awake_s

LEAST_LOAD_S = 0.03
"""A shorter load is over before another thread would have had its turn anyway."""
LEAST_TWO_S = 0.2
"""Two files that take less together are not compared: threads would have to be made in that time as well."""
HELD = 0.5
"""A load through half of which no other thread ran held Python's lock."""
GROWS, GROWS_NOT = 1.3, 1.15
"""Two models on two threads against one after the other: above the first they ran beside each other, below the second
they did not; what lies between is the machine's noise."""
_TICK_S = 0.001
_TRIES = 3


def lets_python_run(contact: Contact) -> Answer:
    """Whether other threads run while a file is loaded."""
    module, least, longest = contact.module, 1.0, 0.0
    for _ in range(_TRIES):
        model = module.Model(threadCount=1)
        try:
            gap, seconds = _longest_gap(partial(model.LoadSimulation, str(contact.files[0])))
        finally:
            destroy(module, model)
        if seconds >= LEAST_LOAD_S:
            least, longest = min(least, gap / seconds), max(longest, seconds)
        if longest and least < HELD:
            break
    if not longest:
        return Answer(Verdict.UNTOLD, "the file loads too fast to tell")
    figures = {"standstill": least, "load_s": longest}
    if least >= HELD:
        return Answer(Verdict.BROKEN, f"other threads stand still for {least:.0%} of a load", figures)
    return Answer(Verdict.HOLDS, f"other threads run while a file is loaded (longest pause {least:.0%} of it)", figures)


def two_models(contact: Contact) -> Answer:
    """Two models on two threads answer as one alone does."""
    alone = [_used(contact.module, file, None) for file in _pair(contact)]
    for _ in range(_TRIES):
        if not all(map(agree, _together(contact), alone)):
            return Answer(Verdict.BROKEN, "two models on two threads do not answer as one alone does")
    return Answer(Verdict.HOLDS, "two models on two threads answer as one alone does")


def grows(contact: Contact) -> Answer:
    """Two files on two threads load in less time than one after the other."""
    apart_s = min(
        timed(lambda: [_used(contact.module, file, None, ask=False) for file in _pair(contact)]) for _ in range(_TRIES)
    )
    together_s = min(timed(lambda: _together(contact, ask=False)) for _ in range(_TRIES))
    gain = apart_s / together_s if together_s > 0 else 1.0
    said = f"two files load in {apart_s:.2f} s one after the other, in {together_s:.2f} s on two threads"
    figures = {"throughput": gain}
    if (os.cpu_count() or 1) < 2 or apart_s < LEAST_TWO_S:
        return Answer(Verdict.UNTOLD, f"{said}: too little to compare", figures)
    verdict = Verdict.HOLDS if gain > GROWS else Verdict.BROKEN if gain < GROWS_NOT else Verdict.UNTOLD
    return Answer(verdict, said, figures)


def foreign_calls(contact: Contact) -> Answer:
    """A call from another thread than the model's is refused with status 68."""
    module, model = contact.module, contact.model
    status = _elsewhere(lambda: _status(module, lambda: model.simulationComplete))
    still = answered(module, lambda: model.simulationComplete) is not None
    return _refused(status, "a call from another thread", still=still)


def foreign_destroy(contact: Contact) -> Answer:
    """A model cannot be destroyed from another thread, and its own goes on."""
    module = contact.module
    model = module.Model(threadCount=1)
    status = _elsewhere(lambda: _status(module, lambda: destroy(module, model)))
    if status == 0:
        return _refused(status, "destroying a model from another thread", still=True)
    model.ownsModelHandle = True
    still = answered(module, lambda: model.state) is not None
    destroy(module, model)
    return _refused(status, "destroying a model from another thread", still=still)


def _refused(status: int, what: str, *, still: bool) -> Answer:
    figures = {"status": status, "usable_afterwards": int(still)}
    if status == 0:
        return Answer(Verdict.BROKEN, f"{what} is not refused", figures)
    if status != THREAD_AFFINITY:
        return Answer(Verdict.BROKEN, f"{what} is refused with status {status}, not {THREAD_AFFINITY}", figures)
    if not still:
        return Answer(Verdict.BROKEN, f"after {what} the model's own thread cannot use it", figures)
    return Answer(Verdict.HOLDS, f"{what} is refused, and the model's own thread goes on", figures)


def _status(module: Any, ask: Callable[[], Any]) -> int:
    try:
        ask()
    except module.DLLError as error:
        return int(error.status)
    return 0


def _elsewhere(ask: Callable[[], int]) -> int:
    found: list[int] = []
    thread = OwnThread(lambda: found.append(ask()), "orcabatch-elsewhere")
    thread.start()
    thread.join()
    return found[0] if found else -1


def _longest_gap(call: Callable[[], Any]) -> tuple[float, float]:
    """Seconds that another thread stood still at most while the call ran, and seconds that it took."""
    ticks, done, runs = [0.0], threading.Event(), threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(awake_s())
            runs.set()
            time.sleep(_TICK_S)

    ticker = OwnThread(tick, "orcabatch-ticks")
    ticker.start()
    runs.wait()
    began = awake_s()
    call()
    ended = awake_s()
    done.set()
    ticker.join()
    inside = [began, *(moment for moment in ticks if began < moment < ended), ended]
    return max(later - sooner for sooner, later in pairwise(inside)), ended - began


def _pair(contact: Contact) -> tuple[Path, Path]:
    """Two files, or one twice."""
    return contact.files[0], contact.files[-1]


def _together(contact: Contact, *, ask: bool = True) -> list[tuple[str, ...]]:
    """What two files answer on two threads at once."""
    both, found = threading.Barrier(2), dict[int, tuple[str, ...]]()

    def one(place: int) -> None:
        try:
            found[place] = _used(contact.module, _pair(contact)[place], both, ask=ask)
        except Exception as error:  # noqa: BLE001 - foreign code; what it says is compared as an answer is
            found[place] = (f"{type(error).__name__}: {error}",)
            both.abort()

    threads = [OwnThread(one, f"orcabatch-model-{place}", (place,)) for place in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[place] for place in range(2)]


def _used(module: Any, file: Path, both: threading.Barrier | None, *, ask: bool = True) -> tuple[str, ...]:
    """Load and ask; with another thread, ask while both are loaded."""
    model = module.Model(threadCount=1)
    try:
        model.LoadSimulation(str(file))
        if both is not None:
            both.wait()
        found = digests(module, model) if ask else ()
        if both is not None:
            both.wait()
    finally:
        destroy(module, model)
    return found


CHECKS: dict[str, Callable[[Contact], Answer]] = {
    "lets_python_run": lets_python_run,
    "models_independent": two_models,
    "models_parallel": grows,
    "foreign_calls": foreign_calls,
    "foreign_destroy": foreign_destroy,
}
"""Which assumption each of them asks for."""
