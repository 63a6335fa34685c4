"""Sessions: one native model per thread, used again, given back on its own thread."""

from __future__ import annotations

import threading
from contextlib import nullcontext

import pytest

from orcabatch import simulated
from orcabatch.orcaflex.binding import BindingKind, find_binding
from orcabatch.orcaflex.session import Session, destroy
from orcabatch.orcaflex.sim_files import InputError
from orcabatch.simulated import SimFault
from orcaflex.driving import broker, run, values


def test_one_model_serves_all_files_and_is_destroyed_once(orcaflex, sims):
    """Three files cost one native model, three loads, one destruction; between files nothing stays loaded."""
    files = sims(3)
    with simulated.counting() as count:
        session = Session(find_binding())
        for file in files:
            model = session.load(file)
            assert model.state == orcaflex.ModelState.SimulationStopped
            native = session._native
            session.release()
            assert session.model is None
            assert native.state == orcaflex.ModelState.Reset
        session.close()
    calls = count.counters.calls
    assert (calls["C_CreateModel2"], calls["C_LoadSimulationW"], calls["C_DestroyModel"]) == (1, 3, 1)
    assert native.ownsModelHandle is False
    assert find_binding().kind is BindingKind.SIMULATED


@pytest.mark.parametrize("fault", [SimFault.NOT_A_SIM, SimFault.TRUNCATED, SimFault.WRONG_VERSION])
def test_after_a_failed_load_the_next_file_gets_a_new_model(orcaflex, sims, tmp_path, fault):
    """OrcFxAPI's error comes through, the model is destroyed, and the next file loads as if nothing had been."""
    good = sims(1)[0]
    bad = simulated.write_sim(tmp_path / "bad.sim", simulated.SimSpec(faults=(fault,)))
    session = Session(find_binding())
    with simulated.counting() as count:
        with pytest.raises(orcaflex.DLLError):
            session.load(bad)
        assert session.model is None
        session.release()
        first = session.load(good)["Line01"].TimeHistory("X", None, orcaflex.oeEndA)
    assert first.size > 100
    assert count.counters.models_created == 2
    session.close()


def test_a_missing_file_costs_no_model(orcaflex, tmp_path):
    """What can be said without OrcaFlex is said without it."""
    session = Session(find_binding())
    with simulated.counting() as count:
        with pytest.raises(InputError, match="does not exist"):
            session.load(tmp_path / "no.sim")
        session.close()
    assert count.counters.total_calls == 0


def test_another_thread_is_refused_with_a_reason(orcaflex, sims):
    """A session called on a wrong thread raises before OrcaFlex is asked; nothing is leaked."""
    session = Session(find_binding())
    session.load(sims(1)[0])
    refused = []

    def elsewhere():
        for call in (session.release, session.close):
            try:
                call()
            except RuntimeError as error:
                refused.append(str(error))

    thread = threading.Thread(target=elsewhere, name="stranger")
    thread.start()
    thread.join()
    assert len(refused) == 2
    assert "stranger" in refused[0]
    assert "MainThread" in refused[0]
    session.close()
    with pytest.raises(RuntimeError, match="closed"):
        session.load(sims(1)[0])


@pytest.mark.parametrize(
    "change",
    [
        lambda model: setattr(model, "progressHandler", lambda *_: None),
        lambda model: setattr(
            type(model)(handle=model.handle), "correctExternalFileReferencesHandler", lambda *_: None
        ),
        lambda model: setattr(model, "threadCount", 3),
        lambda model: model.ForceInMemoryLogging(),
    ],
)
def test_what_the_next_file_would_meet_ends_with_its_file(orcaflex, sims, change):
    """A handler, a thread count, a way of logging stay on a native model: it is destroyed instead of cleared."""
    files = sims(2)
    for shared in (None, broker(orcaflex)):
        session = Session(find_binding(), shared)
        with simulated.counting() as count:
            change(session.load(files[0]))
            session.release()
            assert session.load(files[1]).threadCount == 1
            session.close()
        assert (count.counters.models_created, count.counters.models_destroyed) == (2, 2)


def test_destroying_from_another_thread_says_so():
    """OrcaFlex's refusal (68) is raised, not swallowed as `Model.__del__` would. The fixture refuses such a model."""
    orcaflex = simulated.install(simulated.Costs())
    refused_before = simulated.counters().destroyed_on_wrong_thread
    model = orcaflex.Model(threadCount=1)
    errors = []

    def elsewhere():
        try:
            destroy(orcaflex, model)
        except orcaflex.DLLError as error:
            errors.append(error.status)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert errors == [orcaflex.StatusCode.ThreadAffinityError]
    assert simulated.counters().destroyed_on_wrong_thread == refused_before + 1
    model.ownsModelHandle = True
    destroy(orcaflex, model)


def test_a_model_for_every_file_costs_no_more_calls_than_one_for_all(orcaflex, sims):
    """Loading, General's and Environment's handles, the binding's own questions about them, clearing."""
    session, files = Session(find_binding(), broker(orcaflex)), sims(3)
    calls = []
    for file in files:
        with simulated.counting() as count:
            session.load(file)
            session.release()
        calls.append(count.counters.calls)
    session.close()
    assert calls[1] == calls[2] == {"C_LoadSimulationW": 1, "C_GetModelProperty": 2, "C_ClearModel": 1}


def test_eight_threads_share_a_broker_and_no_model(orcaflex, sims):
    """24 files on 8 threads: the values of one thread, one model per thread, no call off its thread."""
    files = sims(24)

    def peaks(model):
        lines = [item for item in model.objects if item.type == orcaflex.ObjectType.Line]
        return [float(line.TimeHistory(name, None, orcaflex.oeEndA).max()) for line in lines for name in ("X", "Y")]

    expected = values(run(files, peaks, counting=nullcontext))
    shared, found = broker(orcaflex), {}

    def work(number):
        mine = files[number::8]
        found.update(zip(mine, values(run(mine, peaks, shared, nullcontext)), strict=True))

    with simulated.counting() as count:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [found[file] for file in files] == expected
    assert count.counters.models_created == 8
    assert count.counters.affinity_violations == 0
