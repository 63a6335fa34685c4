"""The campaign's oracle catches each kind of lie and loss, once it is planted in a run that it finds nothing in."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from faults.campaign.arena import METRICS, Arena
from faults.campaign.faults import FILES, KINDS, draw
from faults.campaign.oracle import Expected, Observed, judge
from faults.campaign.seeing import _metrics

NAMES = tuple(f"case{number}.sim" for number in range(FILES))
VALUES = {name: {"tension": float(number).hex()} for number, name in enumerate(NAMES)}
OUTPUTS = {f"fsts_{name.removesuffix('.sim')}.csv": b"a,b\n1,2\n" for name in NAMES}


def metrics(statuses, state="finished"):
    """The part of the metrics file that is looked at."""
    found = list(statuses.values())
    summary = {status: found.count(status) for status in ("ok", "failed", "skipped", "cancelled")}
    return {
        "state": state,
        "summary": summary,
        "files": [{"file": f"/sims/{name}", "status": status} for name, status in statuses.items()],
    }


def ended(statuses, code=0, state="finished", end="done", **other):
    """A run that tells the truth about these files."""
    done = {name: 1 for name, status in statuses.items() if status == "ok"}
    failed = {name: "it broke" for name, status in statuses.items() if status not in {"ok", "skipped"}}
    good = [name for name in statuses if name not in failed]
    return Observed(
        code=code, exits=code, end=end, outcomes=statuses, reported=statuses, errors=failed, state=state,
        values={name: VALUES[name] for name in good}, metrics=metrics(statuses, state), report=" ".join(NAMES),
        begun=done, done=done, loads=done | dict.fromkeys(failed, 1), **other,
    )  # fmt: skip


CASE = draw(1, kind="raises", executor="threads", work="function")
CASE = replace(CASE, faults=(replace(CASE.faults[0], file=0),))
EXPECTED = Expected(NAMES, NAMES[0], VALUES)
HARMED = ended({name: "failed" if name == NAMES[0] else "ok" for name in NAMES}, code=1)
HEALED = ended({name: "ok" if name == NAMES[0] else "skipped" for name in NAMES})


def test_nothing_is_found_where_all_is_well():
    """One file failed and was told so; the next run did it, and only it."""
    assert judge(CASE, EXPECTED, HARMED, HEALED) == []


LOST = {name: status for name, status in HARMED.statuses.items() if name != NAMES[2]}
REDONE = {name: "ok" if name in NAMES[:2] else "skipped" for name in NAMES}
ONE_FAILED_OF_OTHERS = {name: "failed" if name in NAMES[:2] else "ok" for name in NAMES}


@pytest.mark.parametrize(
    ("harmed", "healed", "said"),
    [
        (replace(HARMED, hung="in poll"), HEALED, "hangs"),
        (replace(HARMED, outcomes=LOST, reported=LOST, metrics=metrics(LOST)), HEALED, "nothing is said of case2"),
        (ended(ONE_FAILED_OF_OTHERS, code=1), HEALED, "case1.sim has no results, and no fault was about it"),
        (replace(HARMED, loads={**HARMED.loads, NAMES[1]: 2}), HEALED, "case1.sim was loaded 2 times in one run"),
        (replace(HARMED, done={}), HEALED, "the function never ended for it"),
        (HARMED, ended(REDONE), "case1.sim was finished and is done again"),
        (HARMED, replace(HEALED, loads={**HEALED.loads, NAMES[1]: 1}), "said to be skipped and was loaded"),
        (HARMED, replace(HEALED, done={NAMES[0]: 2}), "the function ran 2 times"),
        (HARMED, replace(HEALED, values={**HEALED.values, NAMES[3]: {"tension": (0.5).hex()}}), "differ from a plain"),
        (HARMED, replace(HEALED, code=1, exits=1), "ends with 1"),
        (replace(HARMED, exits=None, code=70), HEALED, "a traceback"),
        (replace(HARMED, said="Traceback (most recent call last)"), HEALED, "shows a traceback"),
        (replace(HARMED, code=-9, exits=None), HEALED, "was ended by signal 9"),
        (replace(HARMED, code=0, exits=0), HEALED, "ends with 0 and has files without results"),
        (replace(HARMED, code=130, exits=130), HEALED, "says that it was interrupted"),
        (replace(HARMED, reported={**HARMED.reported, NAMES[0]: "ok"}), HEALED, "was handed on as ok"),
        (replace(HARMED, metrics={}), HEALED, "the metrics file is cut off"),
        (replace(HARMED, metrics=None), HEALED, "there are no metrics, and nothing says so"),
        (replace(HARMED, metrics=metrics(HEALED.statuses)), HEALED, "the metrics say"),
        (replace(HARMED, metrics=metrics(HARMED.statuses, "interrupted")), HEALED, "the metrics say interrupted"),
        (
            replace(HARMED, metrics=HARMED.metrics | {"summary": metrics(HEALED.statuses)["summary"]}),
            HEALED,
            "is not the sum of its files",
        ),
        (replace(HARMED, report="nothing failed"), HEALED, "the report does not name"),
        (replace(HARMED, errors={NAMES[0]: ""}), HEALED, "nothing says why"),
        (replace(HARMED, processes=("4711 sleeping",)), HEALED, "left processes"),
        (replace(HARMED, threads=("orcabatch-worker-1",)), HEALED, "left threads"),
        (replace(HARMED, descriptors=("7 pipe",)), HEALED, "left descriptors"),
        (replace(HARMED, variables=("TMPDIR",)), HEALED, "left variables"),
        (replace(HARMED, temporary=(".orcabatch-1.tmp",)), HEALED, "left temporary files"),
        (replace(HARMED, locks=(".orcabatch.lock",)), HEALED, "left temporary files"),
        (replace(HARMED, models=1), HEALED, "left 1 models"),
        (HARMED, replace(HEALED, models=1), "left 1 models"),
        (HARMED, replace(HEALED, hung="in poll"), "next run: hangs"),
    ],
)
def test_what_is_planted_is_found(harmed, healed, said):
    """A lost file, one that is done twice, a leaving, a lie: each is one finding or more, and is named."""
    findings = judge(CASE, EXPECTED, harmed, healed)
    assert any(said in finding for finding in findings), findings


@pytest.mark.parametrize("written", [True, False])
def test_a_folder_that_is_removed_takes_what_the_run_had_written(written, tmp_path):
    """What stood there at that moment is judged as if it still did; where nothing did, the run has to say so."""
    arena = object.__new__(Arena)
    arena.folder, arena.taken, results = tmp_path, b"", tmp_path / "results"
    results.mkdir()
    if written:
        (results / METRICS).write_text(json.dumps(metrics(HARMED.statuses)))
    arena.remove(results)
    (tmp_path / "results").mkdir()
    run = replace(HARMED, metrics=_metrics(results / METRICS, arena.taken))
    assert list(tmp_path.iterdir()) == [results]
    findings = judge(CASE, EXPECTED, run, HEALED)
    assert findings == ([] if written else ["harmed run: there are no metrics, and nothing says so"])
    lie = json.dumps(metrics(HEALED.statuses)).encode()
    told = judge(CASE, EXPECTED, replace(HARMED, metrics=_metrics(results / METRICS, lie)), HEALED)
    assert any("the metrics say" in finding for finding in told)


def test_a_table_that_is_cut_off_is_found():
    """Whatever a fault does to a file: a table is whole, or not there; and in the end it is the plain loop's."""
    case = replace(CASE, work="call")
    expected = Expected(NAMES, NAMES[0], {}, OUTPUTS)
    cut = {**OUTPUTS, next(iter(OUTPUTS)): b"a,b\n1"}
    harmed, healed = replace(HARMED, outputs=OUTPUTS), replace(HEALED, outputs=OUTPUTS)
    assert judge(case, expected, harmed, healed) == []
    assert any("is not whole" in finding for finding in judge(case, expected, replace(harmed, outputs=cut), healed))
    assert any("outputs differ" in finding for finding in judge(case, expected, harmed, replace(healed, outputs=cut)))


def test_every_fault_is_drawn_where_it_can_happen():
    """A seed gives the same case again; every kind comes up, and only on its executors."""
    cases = [draw(seed) for seed in range(2000)]
    assert cases == [draw(seed) for seed in range(2000)]
    assert {fault.kind for case in cases for fault in case.faults} == set(KINDS)
    for case in cases:
        assert all(case.executor in fault.what.executors for fault in case.faults)
        assert case.work == "function" or not any(fault.what.function for fault in case.faults)


@pytest.mark.parametrize("leader", [0, 3])
def test_series_that_end_with_another_first_file_are_whole(leader):
    """The first file that the folder lists ends every series: without it the next one does, and rows are whole."""
    name, case = next(iter(OUTPUTS)), replace(CASE, work="call", faults=(replace(CASE.faults[0], file=leader),))
    whole = {**OUTPUTS, name: b"a,b\n1,2\n3,4\n"}
    harmed = ended({each: "failed" if each == NAMES[leader] else "ok" for each in NAMES}, code=1, outputs=OUTPUTS)
    healed = ended({each: "ok" if each == NAMES[leader] else "skipped" for each in NAMES}, outputs=whole)
    assert judge(case, Expected(NAMES, NAMES[leader], {}, whole), harmed, healed) == []
    all_again = ended(dict.fromkeys(NAMES, "ok"), outputs=whole)
    assert judge(case, Expected(NAMES, NAMES[leader], {}, whole), harmed, all_again) == []
    another = judge(case, Expected(NAMES, NAMES[1], {}, whole), harmed, all_again)
    assert [finding for finding in another if "is not whole" in finding]
    assert len([finding for finding in another if "is done again: nothing says why" in finding]) == FILES - 1
