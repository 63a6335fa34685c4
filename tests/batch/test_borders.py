"""Foreign code may raise anything at any border: it ends one file, a display or its call, and no more."""

from __future__ import annotations

import os
import types

import pytest

import exceptions
import nameless_functions as nameless
import orcabatch
from batch_functions import largest_tension
from orcabatch import simulated
from orcabatch.engine.foreign import ordinarily, own_copy
from orcabatch.errors import SettingsError
from orcabatch.outcome import Cause, Status
from orcabatch.text import MOST_SAID, MOST_TRACED, class_home, class_name, class_place, words_of

KINDS = exceptions.kinds()
ENDING = [kind for kind in KINDS if not issubclass(kind, Exception)]
FEW = [*[kind for kind in ENDING if kind is not KeyboardInterrupt], StopIteration, OSError, MemoryError]
CTRL_C = exceptions.name_of(KeyboardInterrupt)
TRAVEL = {exceptions.packing, exceptions.unpacking}
LONG = "ORCABATCH_LONG" in os.environ
KEPT = {exceptions.looking, exceptions.listing, exceptions.mapping}
"""Borders at which a plain loop would have gone on, because it does not look."""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A file for each exception at each border."""
    folder = tmp_path_factory.mktemp("borders")
    simulated.write_sim(folder / "one.sim", simulated.SimSpec(size_bytes=20_000, stop_time_s=10.0))
    made = []
    for border in exceptions.BORDERS:
        (folder / border.__name__).mkdir()
        for kind in KINDS:
            made.append(folder / border.__name__ / f"{exceptions.name_of(kind)}.sim")
            os.link(folder / "one.sim", made[-1])
    return made


def run(files, executor, **arguments):
    """Without retries, on two workers."""
    known = {"orcaflex": "simulated", "progress": False, "postprocess": exceptions.everywhere}
    workers = {"threading": {"mode": "hybrid", "max_threads": 2}} if executor == "hybrid" else {"executor": executor}
    performance = {"retries": 0, "threading": {"max_threads": 2}, "ledger": {"enabled": False}, **workers}
    return orcabatch.run_batch(files, **{"performance": performance} | known | arguments)


def test_the_standard_library_is_walked():
    """All that ask for the end of something, and a good share of the others."""
    assert {kind.__name__ for kind in ENDING} >= {"SystemExit", "GeneratorExit", "KeyboardInterrupt", "CancelledError"}
    assert len(KINDS) > 80


@pytest.mark.parametrize("executor", ["serial", "threads", "processes", *(["hybrid", "dask"] if LONG else [])])
def test_each_ends_exactly_one_file(orcaflex, files, executor):
    """Every file has its end, once, with the name of what was raised; what a plain loop would not have met stays."""
    wanted = [file for file in files if executor != "serial" or file.stem != CTRL_C]
    travels = executor in {"processes", "hybrid", "dask"}
    if travels:
        all_of_them = LONG and executor == "processes"
        some = {exceptions.name_of(kind) for kind in (KINDS if all_of_them else [*FEW, KeyboardInterrupt])}
        wanted = [file for file in wanted if file.stem in some]
    told = []
    result = run(wanted, executor, on_outcome=lambda outcome: told.append(outcome.file))
    assert sorted(told) == sorted(wanted)
    for outcome in result.outcomes:
        border, kind = getattr(exceptions, outcome.file.parent.name), exceptions.by_name(outcome.file.stem)
        if border in KEPT or (border in TRAVEL and not travels):
            assert outcome.ok, (border, kind, outcome.error)
        elif border in TRAVEL:
            assert (outcome.cause, kind.__name__ in outcome.error) == (Cause.OUTPUT, True), (border, kind, outcome)
        else:
            assert outcome.status is Status.FAILED, (border, kind)
            wordless = border is exceptions.unspeakable  # what raises in its own words ends nothing
            assert (outcome.cause is Cause.CRASH) is (kind in ENDING and not wordless), (border, kind, outcome.error)
            said = "UnspeakableError" if wordless else kind.__name__
            assert said in outcome.error + outcome.traceback if outcome.traceback else said in outcome.error


@pytest.mark.parametrize("executor", ["serial", "threads"])
def test_each_is_one_file_while_it_is_loaded(foreign, tmp_path, executor):
    """Also where a test's own OrcFxAPI raises it."""

    class Model:
        def __init__(self, path):
            raise exceptions.made(exceptions.by_name(os.path.basename(path).removesuffix(".sim")))  # noqa: PTH119

    foreign(types.SimpleNamespace(Model=Model, __name__="OrcFxAPI"))
    names = [exceptions.name_of(kind) for kind in KINDS if kind is not KeyboardInterrupt or executor == "threads"]
    files = [tmp_path / f"{name}.sim" for name in names]
    for file in files:
        file.touch()
    result = run(files, executor, orcaflex=None, postprocess=len)
    assert [outcome.status for outcome in result.outcomes] == [Status.FAILED] * len(files)


@pytest.mark.parametrize("kind", FEW)
def test_a_display_is_switched_off(orcaflex, sims, kind):
    """Said once, and no value is lost."""

    def shown(_):
        raise exceptions.made(kind)

    result = run(sims, "serial", postprocess=largest_tension, progress=shown)
    assert result.ok
    said = [text for text in result.warnings if "switched off" in text]
    assert [kind.__name__ in text for text in said] == [True]


@pytest.mark.parametrize("executor", ["serial", "threads"])
@pytest.mark.parametrize("kind", FEW)
def test_an_initializer_ends_the_call_before_its_first_file(orcaflex, sims, executor, kind):
    """In words, and nothing hangs."""

    def set_up():
        raise exceptions.made(kind)

    with pytest.raises(orcabatch.SettingsError, match=f"set_up raised {kind.__name__}.*no file was started"):
        run(sims, executor, postprocess=largest_tension, initializer=set_up)


@pytest.mark.parametrize("kind", [*FEW, KeyboardInterrupt])
def test_the_callers_own_code_gets_its_own_back(orcaflex, sims, kind):
    """What `on_outcome`, or an iterable of files, raises is the caller's, as it is in a plain loop."""
    thrown = exceptions.made(kind)

    def heard(_):
        raise thrown

    def names():
        yield sims[0]
        raise thrown

    with pytest.raises(kind) as caught:
        run(sims[:1], "serial", postprocess=largest_tension, on_outcome=heard)
    assert caught.value is thrown
    with pytest.raises((kind, RuntimeError)) as caught:  # Python's own word for a StopIteration in a generator
        run(names(), "serial", postprocess=largest_tension)
    assert thrown in {caught.value, caught.value.__cause__}


def test_a_keyboard_interrupt_of_the_function_is_one_ctrl_c(orcaflex, sims):
    """With `serial` it stops the run as one Ctrl-C does: the file it tore is named, the rest is left, and said so."""
    seen = []

    def function(model):
        seen.append(model)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return 1

    with pytest.raises(orcabatch.BatchInterrupted) as stopped:
        run(sims, "serial", postprocess=function)
    assert "twice" not in str(stopped.value)
    statuses = [outcome.status.value for outcome in stopped.value.result.outcomes]
    assert statuses == ["ok", "failed", *["cancelled"] * (len(sims) - 2)]
    assert "KeyboardInterrupt" in stopped.value.result.outcomes[1].error
    assert stopped.value.result.metrics["state"] == "interrupted"


def test_the_border_makes_all_of_them_ordinary():
    """But Ctrl-C; and each can be said in words, also where its own words raise another."""
    for kind in KINDS:
        thrown = exceptions.made(kind)

        def step(thrown=thrown):
            raise thrown

        with pytest.raises(BaseException) as caught:  # noqa: PT011 - any
            ordinarily(step)
        assert isinstance(caught.value, Exception) or kind is KeyboardInterrupt
        assert kind.__name__ in words_of(thrown)
        assert "UnspeakableError" in words_of(exceptions.UnspeakableError(kind))


@pytest.mark.parametrize("executor", ["serial", "threads", "processes"])
def test_a_class_that_does_not_tell_its_name_ends_no_run(orcaflex, sims, executor, monkeypatch):
    """Where a plain loop does not ask for it, nobody does; a result that cannot travel for it costs its file."""
    monkeypatch.setenv(nameless.SILENT, "yes")
    arguments = {"version": "1", "fresh": True, "performance": {"executor": executor}}
    raised = run(sims[:1], executor, postprocess=nameless.raising, **arguments)
    assert raised.failed[0].error.startswith("NamelessError: no such case (raised by line")
    assert run(sims[:1], executor, postprocess=nameless.naming, **arguments).values == [1.0]
    returned = run(sims[:1], executor, postprocess=nameless.returning, **arguments)
    if executor == "processes":
        assert "cannot be sent back" in returned.failed[0].error
        with pytest.raises(SettingsError, match="cannot be sent to worker processes"):
            run(sims[:1], executor, postprocess=nameless.Carrying(), **arguments)
        return
    assert returned.outcomes[0].ok
    assert any("Nameless has no exact safe form" in warning for warning in returned.warnings)
    assert run(sims[:1], executor, postprocess=nameless.Carrying(), **arguments).values == [1.0]


def test_the_names_of_classes_are_had_without_asking_them(monkeypatch):
    """As Python has them for any other class."""
    monkeypatch.setenv(nameless.SILENT, "yes")
    assert class_name(nameless.Nameless) == "Nameless"
    assert class_home(nameless.Nameless) == "nameless_functions"
    assert class_place(nameless.Nameless) == "nameless_functions.Nameless"
    assert class_place(exceptions.UnspeakableError) == "exceptions.UnspeakableError"
    odd = type("Odd", (), {"__module__": property(lambda self: "mine")})
    assert class_home(odd) == ""


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_an_error_says_no_more_than_is_read(orcaflex, sims, executor):
    """It is cut before it is written anywhere; its beginning and end stay."""
    failed = run(sims[:1], executor, postprocess=nameless.long_winded).failed[0]
    error, place = failed.error.split(" (raised by ")
    assert len(error) <= MOST_SAID + len("ValueError: ")
    assert place.endswith("of nameless_functions.py, in long_winded)")
    assert len(failed.traceback) <= MOST_TRACED
    assert failed.error.startswith("ValueError: no such case")
    assert error.endswith("such case")
    assert failed.traceback.startswith("Traceback")


class Labelled(str):
    """Text with something along, as a user's own may have."""

    __slots__ = ("seen",)


def test_a_copy_shares_only_what_nobody_can_change() -> None:
    """A subclass of text may have attributes that are set."""
    given = {"heading": 45, "label": Labelled("a")}
    given["label"].seen = []
    copied = own_copy(given)
    copied["label"].seen.append(1)
    assert copied == given
    assert given["label"].seen == []
