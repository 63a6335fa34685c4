"""Each assumption, broken in turn on the simulated DLL: its check finds it, the run obeys and equals the plain loop."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, field

import psutil
import pytest

from capabilities import needs
from docs_pages import ROOT
from doctor_facts import FACTS
from orcabatch import run_batch, simulated
from orcabatch.doctor import answers, models, threads
from orcabatch.doctor.assumptions import ASSUMPTIONS, BY_NAME, Verdict
from orcabatch.doctor.child import CHECKS
from orcabatch.doctor.contact import Answer
from orcabatch.doctor.follow import followed
from orcabatch.doctor.verdicts import BrokenAssumption
from orcabatch.outcome import Status
from orcabatch.settings import Settings, parse_settings
from orcabatch.simulated.quirks import Quirk

from .conftest import MB, asked, kept, written


@dataclass(frozen=True)
class Case:
    """How an assumption is broken, and what a run then does.

    Attributes:
        name: of the assumption.
        costs: of the simulated DLL.
        off: settings in force at the end of a run of a plain function.
        differs: a run that does not know of it would have given other bytes.
        spec: of the file that the doctor is shown.
    """

    name: str
    costs: dict
    off: dict = field(default_factory=dict)
    differs: bool = False
    spec: dict = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}-{'-'.join(self.costs.get('quirks', self.costs))}"


def quirk(name: str, quirk: Quirk, off: dict, *, differs: bool = False, **costs) -> Case:
    """A case of one quirk."""
    spec = costs.pop("spec", {})
    return Case(name, {"quirks": (quirk,), **costs}, off, differs, spec)


NO_PREFETCH, NO_BROKER = {"broker.prefetch": False}, {"broker.enabled": False}
CASES = (
    quirk("joint_bits", Quirk.JOINT_BITS, NO_PREFETCH),
    quirk("joint_bits", Quirk.JOINT_PERIODS, NO_PREFETCH),
    quirk("joint_bits", Quirk.JOINT_EXTRAS, NO_PREFETCH),
    Case("joint_cheaper", {"joint_passes": "many", "log_pass_s": 0.015}, NO_PREFETCH),
    quirk("histories_repeat", Quirk.HISTORIES_VARY, NO_BROKER, differs=True),
    quirk("histories_repeat", Quirk.SAMPLE_TIMES_VARY, NO_BROKER, differs=True),
    quirk("histories_repeat", Quirk.LINKED_EXPIRE, NO_BROKER, differs=True),
    quirk("range_graphs_repeat", Quirk.RANGE_GRAPHS_VARY, NO_BROKER, differs=True),
    quirk("numbers_last", Quirk.NUMBERS_EXPIRE, NO_BROKER, differs=True),
    quirk("enumeration_names", Quirk.ENUMERATED_NAMES, NO_BROKER, differs=True),
    quirk("enumeration_names", Quirk.ENUMERATED_TYPES, NO_BROKER, differs=True),
    quirk("case_ignored", Quirk.CASE_MATTERS, {}),
    Case("small_calls", {"call_latency_s": 0.002}),
    quirk("thread_count", Quirk.THREADS_IGNORED, {}),
    quirk("completeness", Quirk.ALWAYS_COMPLETE, {}, spec={"current_time_s": 10.0}),
    quirk("statuses", Quirk.OTHER_STATUSES, {"retries": 0}),
    quirk("loads_again", Quirk.STALE_LOADS, {"reuse_models": False}, differs=True),
    quirk("few_threads", Quirk.THREADS_DECIDE, {"native_threads": "all"}, differs=True),
    Case("memory_loaded", {}, spec={"size_bytes": 18 * MB, "memory_factor": 3.0}),
    quirk("memory_cleared", Quirk.CLEAR_KEEPS, {"reuse_models": False}, spec={"size_bytes": 24 * MB}),
    quirk("reads_at_once", Quirk.LAZY_LOADS, {"io.read_ahead": 0}),
    quirk("lets_file_go", Quirk.KEEPS_FILE_OPEN, {}),
    quirk("shares_file", Quirk.EXCLUSIVE_LOADS, {"io.read_ahead": 0}),
    quirk("lets_python_run", Quirk.HOLDS_GIL, {}, load_latency_s=0.2),
    quirk("models_independent", Quirk.MODELS_INTERFERE, {"executor": "serial"}),
    quirk("models_parallel", Quirk.SERIALISES, {}, load_latency_s=0.3),
    Case("seat_per_process", {"seats": 1, "seat_scope": "model"}, {"licences.scope": "model"}),
    quirk("old_handles", Quirk.OLD_HANDLES, {"reuse_models": False}),
    quirk("foreign_calls", Quirk.FOREIGN_CALLS, {}),
    quirk("foreign_destroy", Quirk.FOREIGN_DESTROY, {"executor": "serial"}),
)


def everything(model) -> str:
    """A digest of answers of every kind, some of them asked twice."""
    import OrcFxAPI

    found = hashlib.blake2b(digest_size=12)
    names = [target.name for target in model.objects]
    found.update("/".join(names).encode())
    line = model["Line01"]
    for period in (OrcFxAPI.pnWholeSimulation, OrcFxAPI.SpecifiedPeriod(2.0, 9.0), OrcFxAPI.pnWholeSimulation):
        for extra in (OrcFxAPI.oeEndA, OrcFxAPI.oeEndB):
            for variable in ("Effective tension", "Bend moment"):
                found.update(line.TimeHistory(variable, period, extra).tobytes())
        found.update(line.RangeGraph("Effective tension", period).Max.tobytes())
        found.update(model.SampleTimes(period).tobytes())
        for variable in ("Effective tension", "Bend moment"):
            linked = line.LinkedStatistics([variable], period, OrcFxAPI.oeEndA)
            found.update(repr(vars(linked.Query(variable, variable))).encode())
    return found.hexdigest()


def in_a_plain_loop(files) -> list[str]:
    """The digests of `f(Model(path))`."""
    import OrcFxAPI

    return [everything(OrcFxAPI.Model(str(file))) for file in files]


def run(files, **performance):
    """The same by `run_batch`, and the result."""
    ledger = {"ledger": {"enabled": False}}
    result = run_batch(
        files, postprocess=everything, performance=ledger | performance, orcaflex="simulated", progress=False
    )
    return [outcome.value for outcome in result.outcomes], result


def setting(settings, key):
    for name in key.split("."):
        settings = getattr(settings, name)
    return settings


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_does_not_hold_is_found_and_obeyed(case, broken, tmp_path):
    """The check finds it; the run says so, has it switched off, and gives the bytes of the plain loop."""
    shown = written(tmp_path, "shown.sim", **case.spec)
    files = [written(tmp_path, f"{number}.sim", seed=number) for number in range(3)]
    broken(**case.costs)
    answer = asked(case.name, shown)
    assert answer.verdict is Verdict.BROKEN, answer.said
    expected = in_a_plain_loop(files)
    if case.differs:
        assert run(files, executor="serial")[0] != expected
    kept(case.name, answer)
    values, result = run(files)
    assert values == expected
    assert any(BY_NAME[case.name].says in warning for warning in result.warnings)
    assert {key: setting(result.plan.settings, key) for key in case.off} == case.off


def test_every_assumption_has_its_check():
    """The data that every run reads, and what asks for it in the doctor's children, have the same names."""
    assert CHECKS.keys() == BY_NAME.keys()
    assert sum(map(len, (answers.CHECKS, models.CHECKS, threads.CHECKS))) == len(CHECKS)


def test_every_assumption_is_broken_by_a_test():
    """And every quirk of the simulated DLL breaks one; what loads nothing at all has tests of its own."""
    assert {case.name for case in CASES} == BY_NAME.keys() - {"file_loads"}
    assert {each for case in CASES for each in case.costs.get("quirks", ())} == set(Quirk)


@pytest.mark.parametrize("name", [each.name for each in ASSUMPTIONS])
def test_what_holds_is_called_so(name, broken, tmp_path):
    """On an unbroken DLL none is found broken; partial simulations are told where there is one."""
    big = {"memory_loaded", "memory_cleared"}
    broken(log_pass_s=0.004, load_latency_s=0.4 if BY_NAME[name].apart else 0.0)
    files = [written(tmp_path, size_bytes=24 * MB if name in big else 200_000)]
    if name == "completeness":
        files.append(written(tmp_path, "partial.sim", current_time_s=10.0))
    answer = asked(name, *files)
    assert answer.verdict is Verdict.HOLDS, answer.said


def test_a_model_for_each_file_is_made_from_its_path(broken, tmp_path):
    """`reuse_models: false` makes as many models as files; else one for each worker."""
    broken()
    files = [written(tmp_path, f"{number}.sim", seed=number) for number in range(4)]
    made = {}
    for reuse in (True, False):
        with simulated.counting() as count:
            values, _ = run(files, executor="serial", reuse_models=reuse)
        made[reuse] = count.counters.models_created, count.counters.models_destroyed
        assert values == in_a_plain_loop(files)
    assert made == {True: (1, 1), False: (4, 4)}


def test_more_memory_than_predicted_is_reserved(broken, tmp_path):
    """A file that was never run reserves what the doctor measured."""
    broken()
    answer = asked("memory_loaded", written(tmp_path, size_bytes=18 * MB, memory_factor=3.0))
    kept("memory_loaded", answer)
    files = [written(tmp_path, f"{number}.sim") for number in range(2)]
    _, result = run(files)
    factors = [file.memory_bytes / file.size_bytes for file in result.plan.files]
    assert factors == pytest.approx([answer.figures["memory_factor"]] * 2, rel=1e-3)
    assert answer.figures["memory_factor"] == pytest.approx(3.0, rel=0.1)


def test_results_from_before_a_verdict_are_not_used(broken, tmp_path):
    """They may be wrong; the file is done again, with the reason. What decides no number changes nothing of it."""
    files = [written(tmp_path)]
    broken(quirks=(Quirk.RANGE_GRAPHS_VARY,))

    def again():
        result = run_batch(files, postprocess=everything, version="1", orcaflex="simulated", progress=False)
        return result.outcomes[0].status, result.outcomes[0].value

    assert again()[0] is Status.OK
    assert again()[0] is Status.SKIPPED
    kept("small_calls", Answer(Verdict.BROKEN, ""))
    assert again()[0] is Status.SKIPPED
    kept("range_graphs_repeat", asked("range_graphs_repeat", *files))
    assert again() == (Status.OK, in_a_plain_loop(files)[0])
    assert again()[0] is Status.SKIPPED


NEEDED, FASTER = BrokenAssumption("models_independent", "2026-01-01"), BrokenAssumption("models_parallel", "2026-01-01")


@pytest.mark.parametrize(
    ("performance", "broken", "moves", "then"),
    [
        ({}, NEEDED, True, ("processes", 1)),
        ({}, NEEDED, False, ("serial", None)),
        ({"executor": "threads"}, NEEDED, True, ("serial", None)),
        ({"executor": "processes", "threads_per_process": 4}, NEEDED, False, ("processes", 1)),
        ({"threading": {"mode": "hybrid"}}, NEEDED, False, ("auto", 1)),
        ({"executor": "serial"}, NEEDED, True, ("serial", None)),
        ({}, FASTER, True, ("processes", 1)),
        ({}, FASTER, False, ("auto", None)),
        ({"executor": "threads"}, FASTER, True, ("threads", None)),
    ],
)
def test_models_are_kept_apart_where_they_must_be(performance, broken, moves, then):
    """One in a process: processes where a batch may go there, else one file after the other; never more than before."""
    after = followed(parse_settings(performance), [broken], moves=moves).settings
    assert (after.executor, after.threads_per_process) == then


def test_verdicts_only_switch_off():
    """What is off stays off, a stricter scope stays, and the note says that nothing was to be done."""
    careful = parse_settings(
        {"broker": {"enabled": False, "prefetch": False}, "io": {"read_ahead": 0}, "licences": {"scope": "model"},
         "retries": 0, "reuse_models": False, "executor": "serial", "native_threads": "all"}
    )  # fmt: skip
    every = [BrokenAssumption(each.name, "2026-01-01", {"memory_factor": 2.0}) for each in ASSUMPTIONS]
    after = followed(careful, every, moves=True)
    assert after.settings == careful
    assert len(after.notes) == len(ASSUMPTIONS)
    assert after.memory_factor == 2.0
    loose = followed(Settings(), every, moves=True).settings
    assert not loose.broker.enabled
    assert not loose.reuse_models
    assert loose.native_threads == "all"
    assert loose.licences.scope == "model"


def test_the_table_is_complete_against_the_facts():
    """Every fact about OrcFxAPI is asked of the DLL by an assumption, or says why it is not; none is left over."""
    named = {name for names in FACTS.values() if isinstance(names, tuple) for name in names}
    assert named == BY_NAME.keys()
    assert all(isinstance(answer, tuple) or len(answer.split()) > 3 for answer in FACTS.values())


def test_the_page_shows_the_table():
    """Name, what is assumed and what relies on it stand in the documentation as in the data."""
    page = (ROOT / "docs" / "how-to" / "first-contact.md").read_text("utf-8")
    rows = [line for line in page.partition("## What is assumed")[2].splitlines() if line.startswith("| `")]
    assert rows == [f"| `{each.name}` | {each.says} | {each.relied_on} |" for each in ASSUMPTIONS]


@pytest.mark.parametrize("name", ["loads_again", "models_independent"])
def test_a_slow_dll_is_asked_less_and_not_called_different(name, broken, tmp_path, monkeypatch):
    """What one model was asked and another, for want of time, was not, is no difference."""
    broken()
    asked_of, whole = itertools.count(), models.questions
    monkeypatch.setattr(
        models, "questions", lambda module, model: itertools.islice(whole(module, model), 9 - next(asked_of) % 3)
    )
    answer = asked(name, written(tmp_path))
    assert answer.verdict is Verdict.HOLDS, answer.said
    assert next(asked_of) > 2


def test_a_slow_dll_is_asked_for_seconds(broken, tmp_path, monkeypatch):
    """One question more than fits, whatever the check."""
    broken()
    file = written(tmp_path)
    monkeypatch.setattr(answers, "BUDGET_S", -1.0)
    with simulated.counting() as few:
        assert asked("numbers_last", file).figures["compared"] <= 3
        asked("joint_cheaper", file)
    monkeypatch.setattr(answers, "BUDGET_S", 60.0)
    with simulated.counting() as many:
        asked("numbers_last", file)
        asked("joint_cheaper", file)
    assert few.counters.log_passes < many.counters.log_passes / 2


def test_where_the_system_names_no_open_file_nothing_is_told_of_it(broken, sim, monkeypatch):
    """As Windows on some shares: not even the one that the check itself has open."""
    broken(quirks=(Quirk.KEEPS_FILE_OPEN,))
    monkeypatch.setattr(psutil.Process, "open_files", lambda _: [])
    assert asked("lets_file_go", sim).verdict is Verdict.UNTOLD


def test_on_windows_no_process_is_asked_which_files_it_has_open(broken, sim, monkeypatch):
    """There the answer may never come, and a check that ends in its timeout would be told of OrcaFlex."""

    def hangs(_):
        pytest.fail("psutil waits for every handle")

    broken(quirks=(Quirk.KEEPS_FILE_OPEN,))
    monkeypatch.setattr(psutil.Process, "open_files", hangs)
    monkeypatch.setattr(models, "NAMES_OPEN_FILES", False)
    assert asked("lets_file_go", sim).verdict is Verdict.UNTOLD


@needs("symbolic links")
def test_a_file_that_is_held_open_is_found_by_whatever_path(broken, tmp_path):
    """A mapped drive, a link: the system names its own spelling of what is open."""
    (tmp_path / "there").mkdir()
    (tmp_path / "here").symlink_to(tmp_path / "there", target_is_directory=True)
    broken(quirks=(Quirk.KEEPS_FILE_OPEN,))
    written(tmp_path / "there")
    assert asked("lets_file_go", tmp_path / "here" / "a.sim").verdict is Verdict.BROKEN
