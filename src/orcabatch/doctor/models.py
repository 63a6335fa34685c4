"""Checks of models and files: loading again, what a load reads and keeps, what clearing gives back, licence seats.

Each makes its own models, one at a time unless more seats were allowed, and destroys them.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil

from orcabatch.doctor.assumptions import Verdict
from orcabatch.doctor.contact import Answer, Contact, answered, memory_bytes, questions
from orcabatch.host import ORCAFLEX_OVERHEAD
from orcabatch.orcaflex.failures import LICENCE, status_of
from orcabatch.orcaflex.session import destroy
from orcabatch.settings import format_size
from orcabatch.store.paths import place_of
from orcabatch.win32 import as_opened

LEAST_BYTES = 16_000_000
"""Of a smaller file the memory is lost among Python's own."""
GIVEN_BACK = 0.7
"""A cleared model gave back at least this share; the rest is the allocator's."""
READ_LATE = 0.5
"""A load that read less of its file than this leaves the rest for later."""
TOLERATED = 1.1
"""By how much a model may be larger than predicted and the prediction still be called right."""
NAMES_OPEN_FILES = sys.platform != "win32"
"""Whether a process can be asked which files it has open. Windows says it of some drives and shares only, and of some
it never answers: psutil ends the thread that waits for it, with whatever that holds."""


def digests(module: Any, model: Any) -> tuple[str, ...]:
    """A digest of each answer of a loaded model, in the model's order."""
    whole, made = module.Period(module.PeriodNum.WholeSimulation), list[str]()
    for one in questions(module, model):
        found = hashlib.blake2b(f"{one.kind}/{one.variable}/{one.place}".encode(), digest_size=16)
        found.update(one.single(whole).tobytes())
        if one.place == "End A" and hasattr(one.target, "RangeGraph"):
            graph = answered(module, one.target.RangeGraph, one.variable, whole)
            found.update(
                b"".join(value.tobytes() for value in vars(graph or object).values() if hasattr(value, "tobytes"))
            )
        made.append(found.hexdigest())
    return tuple(made)


def agree(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether answers are the same as far as both were asked: a slow DLL is asked less in the same time."""
    return all(mine == theirs for mine, theirs in zip(one, other, strict=False))


def loads_again(contact: Contact) -> Answer:
    """`Model(path)`, an empty model that loads, and one that has held another file before."""
    module, file, other = contact.module, contact.files[0], contact.files[-1]
    with _made(module, module.Model(str(file), threadCount=1)) as model:
        alone = digests(module, model)
    with _made(module, module.Model(threadCount=1)) as model:
        model.LoadSimulation(str(file))
        empty = digests(module, model)
        model.Clear()
        if other != file:
            model.LoadSimulation(str(other))
            model.Clear()
        model.LoadSimulation(str(file))
        again = digests(module, model)
    as_empty = agree(alone, empty)
    if as_empty and agree(alone, again):
        return Answer(Verdict.HOLDS, "a model that has held a file before answers as a new one")
    how = "an empty model that loads the file" if not as_empty else "a model that has held a file before"
    return Answer(Verdict.BROKEN, f"{how} does not answer as Model(path) does", {"empty_differs": int(not as_empty)})


def few_threads(contact: Contact) -> Answer:
    """A model with one thread, and one as OrcaFlex makes it by itself."""
    module, file = contact.module, str(contact.files[0])
    with _made(module, module.Model(file)) as model:
        count, every = int(model.threadCount), digests(module, model)
    with _made(module, module.Model(file, threadCount=1)) as model:
        one = digests(module, model)
    if not agree(every, one):
        return Answer(Verdict.BROKEN, f"with 1 thread a model has other answers than with {count}", {"threads": count})
    if count == 1:
        return Answer(Verdict.UNTOLD, "OrcaFlex gives a model one thread here")
    return Answer(Verdict.HOLDS, f"with 1 thread and with {count} a model has the same answers", {"threads": count})


def memory_loaded(contact: Contact) -> Answer:
    """Memory of the loaded file over its size."""
    factor, _ = _memory(contact)
    figures = {"memory_factor": factor, "file_bytes": contact.size_bytes}
    said = f"loaded, it takes {factor:.2f} times its {format_size(contact.size_bytes)}"
    if contact.size_bytes < LEAST_BYTES:
        return Answer(Verdict.UNTOLD, "the file is too small to tell its memory from Python's own")
    verdict = Verdict.HOLDS if factor <= ORCAFLEX_OVERHEAD * TOLERATED else Verdict.BROKEN
    return Answer(verdict, f"{said}; {ORCAFLEX_OVERHEAD:g} is predicted", figures)


def memory_cleared(contact: Contact) -> Answer:
    """What clearing the model gives back."""
    if contact.size_bytes < LEAST_BYTES:
        return Answer(Verdict.UNTOLD, "the file is too small to tell its memory from Python's own")
    factor, back = _memory(contact)
    share = back / factor if factor > 0 else 1.0
    verdict = Verdict.HOLDS if share >= GIVEN_BACK else Verdict.BROKEN
    return Answer(verdict, f"clearing the model gives {share:.0%} of its memory back", {"given_back": share})


def reads_at_once(contact: Contact) -> Answer:
    """How much of the file a load reads, and how much a first result."""
    before = _read_bytes()
    model = contact.model
    loaded = _read_bytes()
    digests(contact.module, model)
    asked = _read_bytes()
    if before is None or loaded is None or asked is None:
        return Answer(Verdict.UNTOLD, "this system does not say what a process reads")
    first, later = (loaded - before) / contact.size_bytes, (asked - loaded) / contact.size_bytes
    figures = {"read_by_load": first, "read_by_results": later}
    said = f"the load reads {first:.0%} of the file, results read {later:.0%}"
    if first >= READ_LATE:
        return Answer(Verdict.HOLDS, said, figures)
    if later >= READ_LATE:
        return Answer(Verdict.BROKEN, said, figures)
    return Answer(Verdict.UNTOLD, f"{said}: it may be mapped into memory", figures)


def lets_the_file_go(contact: Contact) -> Answer:
    """Whether the file is open while it is loaded."""
    contact.load()
    try:
        with as_opened(contact.files[0]).open("rb"):
            if not NAMES_OPEN_FILES or not _is_named_open(contact):
                return Answer(Verdict.UNTOLD, "this system does not say that the file is open, while it is")
    except PermissionError:  # it was read a moment ago: OrcaFlex has it open, and shares it with nobody
        return Answer(Verdict.BROKEN, "the file is held open while it is loaded, and nobody else may read it")
    if _is_named_open(contact):
        return Answer(Verdict.BROKEN, "the file is held open while it is loaded")
    return Answer(Verdict.HOLDS, "the file is closed once it is loaded")


def _is_named_open(contact: Contact) -> bool:
    place = place_of(contact.files[0])
    return any(place_of(opened.path) == place for opened in psutil.Process().open_files())


def shares_the_file(contact: Contact) -> Answer:
    """Whether a file loads that somebody reads."""
    with as_opened(contact.files[0]).open("rb") as stream:
        stream.read(1)
        try:
            contact.load()
        except contact.module.DLLError as error:
            said = f"a file that is being read cannot be loaded: {' '.join(str(error).split())}"
            return Answer(Verdict.BROKEN, said, {"status": int(error.status)})
    return Answer(Verdict.HOLDS, "a file that is being read can be loaded")


def old_handles(contact: Contact) -> Answer:
    """Whether the handle of an earlier file's object is refused after the next load."""
    module, told = contact.module, 0
    with _made(module, module.Model(threadCount=1)) as model:
        model.LoadSimulation(str(contact.files[0]))
        earlier = [one for one in questions(module, model) if one.kind not in {"General", "Environment"}]
        model.Clear()
        model.LoadSimulation(str(contact.files[-1]))
        for one in earlier:
            if answered(module, one.single, contact.module.Period(module.PeriodNum.WholeSimulation)) is not None:
                said = f"{one.kind} objects of an earlier file answer after the next load"
                return Answer(Verdict.BROKEN, said, {"type": one.kind})
            told += 1
    if not told:
        return Answer(Verdict.UNTOLD, "the file has no objects of its own that answer")
    return Answer(Verdict.HOLDS, f"{told} questions to objects of an earlier file are refused")


def seats(contact: Contact) -> Answer:
    """How many models one process may have; never more than were allowed."""
    module, opened, refused = contact.module, list[Any](), ""
    said = ""
    try:
        for _ in range(contact.seats):
            opened.append(module.Model(threadCount=1))
        said = str(answered(module, lambda: opened[0].licenceStatus) or "")
    except module.DLLError as error:
        if status_of(error) != LICENCE:
            raise
        refused = " ".join(str(error).split())
    finally:
        for model in opened:
            destroy(module, model)
    figures = {"models": len(opened), "allowed": contact.seats}
    if refused and opened:
        return Answer(Verdict.BROKEN, f"model {len(opened) + 1} of one process got no licence: {refused}", figures)
    if refused:
        return Answer(Verdict.UNTOLD, f"no licence is free: {refused}", figures)
    answer = f"; the licence says: {said}" if said else ""
    return Answer(Verdict.HOLDS, f"{len(opened)} models of one process got a licence{answer}", figures)


def _memory(contact: Contact) -> tuple[float, float]:
    """Memory of the loaded file, and what clearing it gave back, over its size."""
    if "memory_factor" not in contact.figures:
        module, size = contact.module, max(contact.size_bytes, 1)
        with _made(module, module.Model(threadCount=1)) as model:
            empty = memory_bytes()
            model.LoadSimulation(str(contact.files[0]))
            loaded = memory_bytes()
            model.Clear()
            cleared = memory_bytes()
        contact.figures |= {"memory_factor": (loaded - empty) / size, "given_back": (loaded - cleared) / size}
    return float(contact.figures["memory_factor"]), float(contact.figures["given_back"])


def _read_bytes() -> int | None:
    """What this process has read from files so far, the system's cache included."""
    try:
        counters = psutil.Process().io_counters()
    except (AttributeError, psutil.Error, NotImplementedError):
        return None
    return int(getattr(counters, "read_chars", counters.read_bytes))


@contextmanager
def _made(module: Any, model: Any) -> Iterator[Any]:
    try:
        yield model
    finally:
        destroy(module, model)


CHECKS: dict[str, Callable[[Contact], Answer]] = {
    "loads_again": loads_again,
    "few_threads": few_threads,
    "memory_loaded": memory_loaded,
    "memory_cleared": memory_cleared,
    "reads_at_once": reads_at_once,
    "lets_file_go": lets_the_file_go,
    "shares_file": shares_the_file,
    "seat_per_process": seats,
    "old_handles": old_handles,
}
"""Which assumption each of them asks for."""
