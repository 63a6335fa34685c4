"""Threads, seats and the licence."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from capabilities import needs
from orcabatch import simulated
from orcabatch.simulated import Costs, SimSpec
from orcabatch.simulated.calibration import own_cost_s
from orcabatch.simulated.shared import Shared
from orcabatch.simulated.world import remove_earlier

Failure = Callable[..., int]


def in_thread(call: Callable[[], Any]) -> Any:
    """What `call` gives in a thread of its own."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


def test_another_thread_is_refused(orcfxapi: ModuleType, sim: Path, failure: Failure) -> None:
    """68 for the model, its objects, its statistics; each counted."""
    model = orcfxapi.Model(sim)
    line, linked = model["Line01"], model["Line01"].LinkedStatistics(["Z"], None, orcfxapi.oeEndA)
    calls = [
        lambda: model.state, lambda: model["Line01"], lambda: model.objects, lambda: line.name,
        lambda: line.TimeHistory("Z", None, orcfxapi.oeEndA), lambda: line.RangeGraph("Z"),
        lambda: model.environment.WaveHs, lambda: linked.TimeSeriesStatistics("Z"), model.Clear,
        lambda: model.LoadSimulation(sim),
    ]  # fmt: skip
    for call in calls:
        if call is calls[3] or call is calls[6]:
            with pytest.raises(AttributeError):  # the binding takes any failure for a name that is not valid
                in_thread(call)
        else:
            assert in_thread(lambda call=call: failure(call)) == 68
    assert simulated.counters().affinity_violations >= len(calls)
    assert model.simulationComplete


def test_a_model_can_be_moved(orcfxapi: ModuleType, sim: Path, failure: Failure) -> None:
    """Detach here, attach there; no one may use it in between."""
    model = orcfxapi.Model(sim)
    assert in_thread(lambda: failure(model.AttachToThread)) == 68
    model.DetachFromThread()
    assert failure(lambda: model.state) == 68

    def use() -> bool:
        model.AttachToThread()
        complete = model.simulationComplete
        model.DetachFromThread()
        return bool(complete)

    assert in_thread(use)
    model.AttachToThread()
    assert model.simulationComplete


def test_destroying_on_the_wrong_thread_leaks(orcfxapi: ModuleType, sim: Path) -> None:
    """The binding swallows it; the counters do not."""
    models = [orcfxapi.Model(sim)]
    in_thread(models.clear)
    counters = simulated.counters()
    assert (counters.destroyed_on_wrong_thread, counters.never_destroyed, counters.live_models) == (1, 1, 1)


def test_no_increment_is_lost(orcfxapi: ModuleType, sim: Path) -> None:
    """Eight threads, each with its model; every call is counted."""
    barrier = threading.Barrier(8)

    def work(_: int) -> None:
        model = orcfxapi.Model(sim, threadCount=1)
        barrier.wait()
        for _ in range(2000):
            model.state  # noqa: B018

    with simulated.counting() as count, ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert count.counters.calls["C_GetModelState"] == 16_000
    assert count.counters.peak_live_models == 8
    assert count.counters.loads_by_file == {str(sim): 8}
    assert count.counters.never_destroyed == 0
    assert count.counters.affinity_violations == 0
    assert count.counters.own_seconds > 0


def test_counters_survive_a_kill_and_free_the_seat(orcfxapi: ModuleType, sim: Path, failure: Failure) -> None:
    """What a killed process counted stays; what it held is free again."""
    simulated.configure(Costs(seats=1, crash_loads={"case.sim": 1}))
    code = (
        "import sys; from orcabatch import simulated as s; O = s.install(); m = O.Model();"
        "[m.state for _ in range(500)]; m.LoadSimulation(sys.argv[1])"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(sim)], check=False)
    assert killed.returncode != 0
    counters = simulated.counters()
    assert counters.calls["C_GetModelState"] == 500
    assert (counters.models_created, counters.never_destroyed, counters.live_models) == (1, 1, 0)
    assert orcfxapi.Model(sim).simulationComplete


@pytest.mark.parametrize(("scope", "granted"), [("model", 2), ("process", 4), ("host", 4)])
def test_seats(orcfxapi: ModuleType, scope: Any, granted: int) -> None:
    """A seat covers a model, a process or a host; 25 with FlexNet's words when there is none."""
    simulated.configure(Costs(seats=2, seat_scope=scope))
    models = [orcfxapi.Model() for _ in range(granted)]
    if granted < 4:
        with pytest.raises(orcfxapi.DLLError, match="FlexNet Licensing error:-4") as caught:
            orcfxapi.Model()
        assert caught.value.status == orcfxapi.StatusCode.LicensingError
    counters = simulated.counters()
    assert counters.models_created == granted
    assert counters.seats_refused == (1 if granted < 4 else 0)
    assert counters.peak_seats == (2 if scope == "model" else 1)
    del models


def test_a_lost_licence(orcfxapi: ModuleType, sim: Path, failure: Failure) -> None:
    """25 while it lasts; a registered handler that waits is asked until it is back."""
    model = orcfxapi.Model(sim)
    asked: list[int] = []

    def wait(action: int) -> bool:
        asked.append(int(action))
        return True

    simulated.lose_licence(60.0)
    assert failure(model.LoadSimulation, sim) == failure(orcfxapi.Model) == 25
    simulated.lose_licence(0.1)
    orcfxapi.RegisterLicenceNotFoundHandler(wait)
    model.LoadSimulation(sim)
    orcfxapi.RegisterLicenceNotFoundHandler(lambda _: False)
    with pytest.raises(ctypes.ArgumentError):  # the binding's own: its documented way to take a handler away
        orcfxapi.RegisterLicenceNotFoundHandler(None)
    assert (asked[0], asked[-1], set(asked[1:-1])) == (0, 2, {1})


def test_a_hang_ends_when_released(orcfxapi: ModuleType, sim: Path) -> None:
    """Until the knob is turned, or for the planned time."""
    simulated.configure(Costs(hang_loads={"case.sim": None}))
    threading.Timer(0.15, simulated.release_hang, ["case.sim"]).start()
    begin = time.monotonic()
    assert orcfxapi.Model(sim).simulationComplete
    assert time.monotonic() - begin > 0.1


def test_bandwidth_is_shared(orcfxapi: ModuleType, tmp_path: Path) -> None:
    """Four loads at once take as long as four one after the other."""
    paths = [simulated.write_sim(tmp_path / f"{at}.sim", SimSpec(size_bytes=8_000_000)) for at in range(4)]
    simulated.configure(Costs(bandwidth_bytes_per_s=80e6))
    begin = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda path: orcfxapi.Model(path, threadCount=1).state, paths))
    assert time.monotonic() - begin > 0.3


def test_passes_cost_what_was_said(orcfxapi: ModuleType, sim: Path) -> None:
    """Waiting costs no CPU and overlaps; a joint call is one pass or as many as it has variables."""
    model = orcfxapi.Model(sim)
    names = ["Effective tension", "Wall tension", "Bend moment"]
    for passes, expected in (("one", 1), ("many", 3)):
        simulated.configure(Costs(log_pass_s=0.03, joint_passes=passes))  # type: ignore[arg-type]
        begin = time.monotonic()
        with simulated.counting() as count:
            model["Line01"].TimeHistory(names, None, orcfxapi.oeEndA)
        assert count.counters.log_passes == expected
        assert time.monotonic() - begin > 0.03 * expected
        assert count.counters.own_seconds < 0.02


def test_burnt_cpu_is_not_the_simulators_own(orcfxapi: ModuleType, sim: Path) -> None:
    """CPU burnt on purpose is counted apart."""
    simulated.configure(Costs(cpu_s_per_pass=0.05))
    model = orcfxapi.Model(sim)
    with simulated.counting() as count:
        model["Line01"].TimeHistory("Z", None, orcfxapi.oeEndA)
    assert count.counters.cost_seconds == pytest.approx(0.05, abs=0.02)
    assert count.counters.own_seconds < 0.02


def load_and_leave(path: str) -> None:
    """What a worker process does: load, ask, forget to destroy."""
    api = simulated.install()
    model = api.Model(path, threadCount=1)
    model["Line01"].StaticResult("Z", api.oeEndA)
    os._exit(0)


@pytest.mark.parametrize("method", [
    pytest.param("fork", marks=needs("fork")), "spawn",
])  # fmt: skip
def test_worker_processes_add_up(orcfxapi: ModuleType, sim: Path, method: str) -> None:
    """Forked and spawned workers count for themselves; what they left behind is not alive, but was never destroyed."""
    kept = orcfxapi.Model(sim)
    context = multiprocessing.get_context(method)
    with simulated.counting() as count:
        workers = [context.Process(target=load_and_leave, args=(str(sim),)) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    counters = count.counters
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert (counters.loads, counters.log_passes, counters.models_created) == (2, 2, 2)
    assert (counters.never_destroyed, counters.live_models, counters.affinity_violations) == (2, 1, 0)
    assert kept.simulationComplete


def test_bandwidth_is_shared_by_processes(orcfxapi: ModuleType, tmp_path: Path) -> None:
    """A process and this one halve it."""
    paths = [simulated.write_sim(tmp_path / f"{at}.sim", SimSpec(size_bytes=24_000_000)) for at in range(2)]
    simulated.configure(Costs(bandwidth_bytes_per_s=60e6))
    code = "import sys; from orcabatch import simulated as s; O = s.install(); print(flush=True); O.Model(sys.argv[1])"
    other = subprocess.Popen([sys.executable, "-c", code, str(paths[1])], stdout=subprocess.PIPE)
    assert other.stdout is not None
    other.stdout.readline()
    begin = time.monotonic()
    orcfxapi.Model(paths[0])
    other.wait()
    other.stdout.close()
    assert time.monotonic() - begin > 48e6 / 60e6 * 0.8


def test_calibration_leaves_no_trace(orcfxapi: ModuleType) -> None:
    """Measuring the simulator's own cost counts nothing and leaves no model."""
    costs = own_cost_s.__wrapped__()
    assert all(0 < seconds < 1e-2 for seconds in costs.values())
    counters = simulated.counters()
    assert (counters.total_calls, counters.models_created) == (0, 0)


def test_a_process_whose_counter_file_is_still_empty_counts_nothing(orcfxapi: ModuleType, tmp_path: Path) -> None:
    """Another process looks between the two lines that make it."""
    model = orcfxapi.Model()
    (tmp_path / "counters" / "1-0.counts").touch()
    assert simulated.counters().models_created == 1
    del model


@needs("folders that are removed while somebody works in them")
def test_a_folder_of_counters_that_was_removed_is_made_again(orcfxapi: ModuleType, tmp_path: Path) -> None:
    """Whoever removes it, a test's own clearing up or a user's: installing counts anew, and does not fail."""
    simulated.install(counters=tmp_path / "counters")
    for made_by_another in (False, True):
        shutil.rmtree(tmp_path / "counters")
        if made_by_another:
            (tmp_path / "counters").mkdir()
        simulated.install(counters=tmp_path / "counters")
        assert simulated.counters().models_created == 0
        orcfxapi.Model()
        assert simulated.counters().models_created == 1


@pytest.mark.parametrize(("platform", "left"), [("win32", {"orcabatch-simulated-used", "theirs"}), ("linux", None)])
def test_folders_of_earlier_processes_go_where_these_cannot_remove_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str, left: set[str] | None
) -> None:
    """On Windows: its own files are mapped to the end of a process; what somebody uses cannot be renamed, and stays."""
    names = {"orcabatch-simulated-used", "orcabatch-simulated-old", "theirs"}
    for name in names:
        (tmp_path / name).mkdir()
    renamed = Path.rename

    def rename(path: Path, target: Path) -> Path:
        if path.name.endswith("used"):
            raise PermissionError(13, "The process cannot access the file")
        return renamed(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    remove_earlier(platform)
    assert {path.name for path in tmp_path.iterdir()} == (left or names)


@pytest.mark.parametrize("method", ["take_seat", "usage", "give_seat"])
def test_a_model_may_be_collected_at_any_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """The garbage collector ends models on whichever line it runs; a seat that comes back there waits for no lock."""
    shared = Shared(tmp_path)
    shared.take_seat(Costs())
    shared.take_seat(Costs())
    own_entry, collected = Shared._own_entry, []

    def own_entry_and_collection(self: Shared) -> int:
        if not collected:
            collected.append(True)
            self.give_seat()
        return own_entry(self)

    def living_and_collection(self: Shared) -> dict[int, int]:
        self._own_entry()
        return living(self)

    living = Shared._living
    monkeypatch.setattr(Shared, "_own_entry", own_entry_and_collection)
    monkeypatch.setattr(Shared, "_living", living_and_collection)
    arguments = {"take_seat": (Costs(),), "usage": ("model",), "give_seat": ()}
    thread = threading.Thread(target=getattr(shared, method), args=arguments[method], daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    assert collected
    monkeypatch.undo()
    assert shared.usage("model")[0] == {"take_seat": 2, "usage": 1, "give_seat": 0}[method]


def test_a_table_that_is_collected_as_garbage_closes_what_it_has_without_a_word(tmp_path: Path) -> None:
    """Of a file object in the same garbage the warning came now and then, in whichever test was collecting."""
    tables = [Shared(tmp_path) for _ in range(20)]
    descriptors = [table._descriptor for table in tables]
    tables[0].others = tables
    del tables
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        gc.collect()
    assert not [each for each in said if "shared.lock" in str(each.message)]
    for descriptor in descriptors:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)
