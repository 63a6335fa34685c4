"""The result broker: fewer, larger questions, the very same answers."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from orcabatch import simulated
from orcabatch.orcaflex.binding import find_binding
from orcabatch.orcaflex.broker import BrokerOptions, Question
from orcabatch.orcaflex.broker import options as broker_options
from orcabatch.orcaflex.broker.hook import Hook
from orcabatch.orcaflex.session import Session
from orcabatch.simulated import ObjectSpec, ObjectType
from orcaflex.driving import broker, run, values

VARIABLES = ("Effective tension", "Bend moment", "Curvature", "Shear force")


def like_digitalmodel(module, columns=96):
    """Asks as digitalmodel does: every object's name and type anew for each column, one variable at a time."""

    def postprocess(model):
        end = model.simulationTimeStatus.CurrentTime
        out = [model.simulationComplete, int(model.state), model.simulationStartTime, model.simulationStopTime]
        for column in range(columns):
            listed = [(item.name, item.type, item.type) for item in model.objects]
            period = module.PeriodNum.StaticState if column % 8 == 7 else module.SpecifiedPeriod(0.0, end)
            target = model[f"Line{column // 3 % 8 + 1:02d}"]
            extra = module.oeEndA if column % 2 else module.oeEndB
            history = target.TimeHistory(VARIABLES[column // 24], period, extra)
            out.append((len(listed), history.max(), history.min(), history.tobytes()))
        return out

    return postprocess


@pytest.mark.parametrize(("objects", "plain_calls", "fewer"), [(300, 231_000, 1000), (10, 8_400, 100)])
def test_orcaflex_is_asked_a_thousand_times_less(orcaflex, sims, objects, plain_calls, fewer):
    """96 columns: 1,000 times fewer calls at 300 objects and 100 times at 10, from the second file on."""
    lines = tuple(ObjectSpec(f"Line{number:02d}", ObjectType.Line) for number in range(1, objects - 1))
    files = sims(3, objects=lines)
    plain = run(files, like_digitalmodel(orcaflex))
    brokered = run(files, like_digitalmodel(orcaflex), broker(orcaflex))
    assert values(brokered) == values(plain)
    assert all(counters.total_calls > plain_calls for _, counters, _ in plain)
    calls = [counters.total_calls for _, counters, _ in brokered]
    assert calls[0] < 400
    assert calls[1] == calls[2] < 60
    assert plain[1][1].total_calls >= fewer * calls[1]


def test_passes_over_the_log_are_one_per_period_and_one_to_check(orcaflex, sims):
    """The second file costs a pass for each of the two periods, and one to check a joint answer singly."""
    results = run(sims(3), like_digitalmodel(orcaflex), broker(orcaflex))
    assert [counters.log_passes for _, counters, _ in results][1:] == [3, 3]
    assert [counters.calls["C_GetMultipleTimeHistoriesW"] for _, counters, _ in results[1:]] == [2, 2]
    assert [report.used_joint_answers for _, _, report in results] == [False, True, True]
    assert results[0][1].log_passes == len({entry[1:] for entry in results[0][0][4:]})


def test_known_questions_are_asked_together_in_the_first_file_already(orcaflex, sims):
    """Questions given beforehand need no file to learn from; a wrong one among them harms nobody."""
    seeds = [Question("Line01", name, (0.0, 10.0), (("LinePoint", 0),)) for name in (*VARIABLES, "No such variable")]
    seeds.append(Question("No such object", "X", (0.0, 10.0)))

    def postprocess(model):
        target = model["Line01"]
        return [target.TimeHistory(name, (0.0, 10.0), orcaflex.oeEndA).tobytes() for name in VARIABLES]

    files = sims(2)
    results = run(files, postprocess, broker(orcaflex, seeds))
    assert values(results) == values(run(files, postprocess))
    assert [counters.calls["C_GetMultipleTimeHistoriesW"] for _, counters, _ in results] == [1, 1]
    assert [counters.log_passes for _, counters, _ in results] == [2, 2]


def test_one_range_graph_answers_every_statistic(orcaflex, sims):
    """Min, Max and Mean of one range graph cost one pass; each caller gets arrays of its own."""

    def postprocess(model):
        line, period = model["Line01"], (0.0, 15.0)
        out = []
        for statistic in ("Min", "Max", "Mean"):
            graph = line.RangeGraph("Effective tension", period, None, orcaflex.arSpecifiedArclengths(0.0, 50.0))
            values = getattr(graph, statistic)
            out.append(values.tobytes())
            values[:] = 0.0
        return out

    files = sims(1)
    plain, brokered = run(files, postprocess), run(files, postprocess, broker(orcaflex))
    assert values(brokered) == values(plain)
    assert (plain[0][1].log_passes, brokered[0][1].log_passes) == (3, 1)


def test_answers_belong_to_the_caller(orcaflex, sims):
    """Arrays are contiguous, own their memory, and changing them changes no later answer."""

    def postprocess(model):
        out = []
        for target, name in ((model["Line01"], "X"), (model["Line02"], "X"), (model["Line01"], "X")):
            history = target.TimeHistory(name, None, orcaflex.oeEndA)
            assert history.flags.c_contiguous
            assert history.flags.owndata
            assert history.flags.writeable
            out.append(history.tobytes())
            history[:] = -1.0
            times = model.SampleTimes()
            out.append(times.tobytes())
            times[:] = -1.0
        return out

    files = sims(3)
    assert values(run(files, postprocess, broker(orcaflex))) == values(run(files, postprocess))


def test_errors_are_orcaflexs_own_and_come_when_the_code_asks(orcaflex, sims):
    """A wrong variable among good ones: the others are answered jointly, it alone fails, each time it is asked."""

    def postprocess(model):
        out = []
        for name in ("X", "Nonsense", "Y", "Nonsense", "Z"):
            try:
                out.append(model["Line01"].TimeHistory(name, None, orcaflex.oeEndA).tobytes())
            except orcaflex.DLLError as error:
                out.append((type(error), error.status, str(error)))
        for name in ("Nobody", 7, None):
            try:
                model[name]
            except Exception as error:  # noqa: BLE001 - whatever it is, it must be the same
                out.append((type(error), str(error)))
        return out

    files = sims(3)
    plain, brokered = run(files, postprocess), run(files, postprocess, broker(orcaflex))
    assert values(brokered) == values(plain)
    assert [counters.calls["C_GetMultipleTimeHistoriesW"] for _, counters, _ in brokered[1:]] == [1, 1]


def test_each_file_is_asked_for_its_own_time(orcaflex, sims):
    """Files that stop at different times are asked jointly with their own periods."""

    def postprocess(model):
        end = model.simulationTimeStatus.CurrentTime
        return [model["Line01"].TimeHistory(name, [0.0, end], orcaflex.oeEndA).size for name in VARIABLES]

    results = run(sims(3), postprocess, broker(orcaflex))
    assert values(results) == [[201] * 4, [206] * 4, [211] * 4]
    assert [counters.log_passes for _, counters, _ in results] == [4, 2, 2]


def test_branching_code_wastes_an_answer_once(orcaflex, sims):
    """What was asked ahead and not used is not asked ahead again."""
    files = sims(6)

    def postprocess(model):
        number = int(model.latestFileName.rpartition("case")[2][0])
        names = ("X", "Y", "Z", "Velocity") if number % 2 == 0 else ("X", "Y", "Curvature", "Torque")
        return [model["Line01"].TimeHistory(name, None, orcaflex.oeEndA).tobytes() for name in names]

    shared = broker(orcaflex)
    results = run(files, postprocess, shared)
    assert values(results) == values(run(files, postprocess))
    # 4 singly; then X Y Z Velocity jointly, 2 of them wasted, 2 singly; then X Y Curvature Torque; then only X and Y.
    assert [counters.log_passes for _, counters, _ in results] == [4, 4, 4, 4, 4, 4]
    assert [counters.calls["C_GetMultipleTimeHistoriesW"] for _, counters, _ in results[1:]] == [1] * 5
    groups = shared.question_history.expected()
    assert [[question.variable for question in group.questions] for group in groups] == [["X", "Y"]]


def test_code_that_leaves_its_path_is_asked_nothing_more_ahead(orcaflex, sims):
    """When a file skips what was asked ahead for it, its later chunks are not asked for: one chunk is wasted."""
    names = ("X", "Y", "Z", "Velocity", "Curvature", "Torque", "Shear force", "End force")

    def postprocess(model):
        number = int(model.latestFileName.rpartition("case")[2][0])
        asked = names if number == 0 else names[2:]
        return [
            model["Line01"].TimeHistory(name, (0.0, 10.0), orcaflex.oeEndA).tobytes() for name in asked[:: 1 + number]
        ]

    files = sims(2)
    chunk = 3 * 8 * 101
    results = run(files, postprocess, broker(orcaflex, chunk_bytes=chunk))
    assert values(results) == values(run(files, postprocess))
    # Asked: Z, Curvature, Shear force. First chunk: Z Velocity Curvature; Velocity was skipped: Shear force singly.
    assert results[1][1].calls["C_GetMultipleTimeHistoriesW"] == 1
    assert results[1][1].log_passes == 1 + 1 + 1


def test_a_joint_request_stays_within_a_chunk(orcaflex, sims):
    """16 histories of 101 samples in chunks of 5 are 4 requests, the last one alone being asked singly."""
    names = ("X", "Y", "Z", "Velocity")

    def postprocess(model):
        targets = [model[f"Line{number:02d}"] for number in range(1, 5)]
        return [t.TimeHistory(name, (0.0, 10.0), orcaflex.oeEndA).tobytes() for t in targets for name in names]

    results = run(sims(2), postprocess, broker(orcaflex, chunk_bytes=5 * 8 * 101))
    assert results[1][1].calls["C_GetMultipleTimeHistoriesW"] == 3
    assert results[1][1].log_passes == 3 + 1 + 1


def test_histories_too_large_for_a_joint_request_cost_nothing_more(orcaflex, sims):
    """When no two of them fit into a chunk, every file costs one pass each; samples are counted once per period."""

    def postprocess(model):
        return [model["Line01"].TimeHistory(name, (0.0, 10.0), orcaflex.oeEndA).tobytes() for name in VARIABLES]

    results = run(sims(3), postprocess, broker(orcaflex, chunk_bytes=8 * 101))
    assert [counters.log_passes for _, counters, _ in results] == [4, 4, 4]
    samples = [counters.calls["C_GetNumOfSamples"] for _, counters, _ in results]
    assert samples == [1, 1, 1]


def test_one_question_costs_no_more_than_without_broker(orcaflex, sims):
    """One object, one column: never more calls, one pass."""

    def postprocess(model):
        return model["Line01"].TimeHistory("X", None, orcaflex.oeEndA).tobytes()

    files = sims(4)
    plain, brokered = run(files, postprocess), run(files, postprocess, broker(orcaflex))
    assert values(brokered) == values(plain)
    for (_, without, _), (_, with_broker, _) in zip(plain, brokered, strict=True):
        assert with_broker.total_calls <= without.total_calls
        assert with_broker.log_passes == 1


def test_a_list_of_variables_is_answered_like_orcaflex_does(orcaflex, sims):
    """An array of shape (samples, names), jointly with everything else from the second file on."""

    def postprocess(model):
        table = model["Line01"].TimeHistory(["X", "Y"], None, orcaflex.oeEndA)
        other = model["Line02"].TimeHistory(("Z",), None, orcaflex.oeEndA)
        again = model["Line01"].TimeHistory(["X", "Y"], None, orcaflex.oeEndA)
        assert table.flags.c_contiguous
        return table.shape[1], table.tobytes(), other.shape[1], other.tobytes(), again.tobytes()

    files = sims(2)
    results = run(files, postprocess, broker(orcaflex))
    assert values(results) == values(run(files, postprocess))
    assert [counters.log_passes for _, counters, _ in results] == [2, 2]


def test_a_change_of_the_model_comes_at_its_place(orcaflex, sims):
    """Selecting a current, renaming an object and writing data empty the memory; what follows is asked anew."""

    def postprocess(model):
        environment, line = model.environment, model["Line02"]
        out = [environment.RefCurrentSpeed, environment.name, line.name]
        first = line.TimeHistory("X", None, orcaflex.oeEndA).tobytes()
        environment.SelectedCurrent = environment.ActiveCurrent
        out += [environment.RefCurrentSpeed, line.TimeHistory("X", None, orcaflex.oeEndA).tobytes() == first]
        line.name = "Renamed"
        out += [line.name, model["Renamed"].name, "Line02" in model, [item.name for item in model.objects]]
        with line.dataChange():
            line.SetData("Name", -1, "Again")
        return [*out, line.name, str(model["Again"])]

    files = sims(3)
    assert values(run(files, postprocess, broker(orcaflex))) == values(run(files, postprocess))


def test_while_a_change_lasts_orcaflex_is_asked(orcaflex, sims):
    """What is read between the beginning and the end of a change (in a handler, say) is neither old nor remembered."""

    def postprocess(model):
        line, memory = model["Line01"], model._answer_cache
        line.TimeHistory("X", None, orcaflex.oeEndA)
        with memory.change():
            with simulated.counting() as count:
                for _ in range(2):
                    line.TimeHistory("X", None, orcaflex.oeEndA)
                    model.simulationTimeStatus  # noqa: B018 - asks
            during = count.counters.log_passes, count.counters.calls["C_GetSimulationTimeStatus"]
        return during, len(memory.held), memory.facts

    assert values(run(sims(1), postprocess, broker(orcaflex))) == [((2, 2), 0, {})]


def test_what_the_binding_asks_beside_each_question_is_asked_once(orcaflex, sims):
    """Its version once, the domain and the number of samples once per file; without a broker every time, as before."""
    own = {name: vars(orcaflex)[name] for name in ("_checkVersion", "_GetNumOfSamples")}

    def postprocess(model):
        for name in VARIABLES:
            model["Line01"].TimeHistory(name, (0.0, 10.0), orcaflex.oeEndA)
            model.SampleCount((0.0, 10.0))
        refused = []
        for _ in range(2):
            with pytest.raises(orcaflex.DLLError) as caught:
                model["Line01"].TimeHistory("X", 77, orcaflex.oeEndA)
            refused.append(caught.value.status)
        return refused

    beside = "C_GetDLLVersionW", "C_GetModelProperty", "C_GetNumOfSamples"
    files = sims(3)
    plain, brokered = run(files, postprocess), run(files, postprocess, broker(orcaflex, prefetch=False))
    assert values(brokered) == values(plain)
    asked = [[counters.calls.get(name, 0) for name in beside] for _, counters, _ in brokered]
    # General's and Environment's handles are looked at after each load; a refusal is asked for again.
    assert asked[1:] == [[0, 3, 3]] * 2
    assert [plain[1][1].calls[name] for name in beside] == [12, 12, 10]
    assert {name: vars(orcaflex)[name] for name in own} == own


def test_another_thread_is_refused_also_what_is_remembered(orcaflex, sims):
    """An answer in memory is no way around thread affinity: OrcaFlex refuses with 68."""

    def postprocess(model):
        line = model["Line01"]
        line.TimeHistory("X", None, orcaflex.oeEndA)
        refused = []

        def elsewhere():
            try:
                line.TimeHistory("X", None, orcaflex.oeEndA)
            except orcaflex.DLLError as error:
                refused.append(error.status)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        return refused

    assert values(run(sims(1), postprocess, broker(orcaflex))) == [[orcaflex.StatusCode.ThreadAffinityError]]


def test_models_that_no_broker_owns_are_left_alone(orcaflex, sims):
    """While a broker is at work, somebody else's model asks OrcaFlex every time."""
    file = sims(1)[0]
    session = Session(find_binding(), broker(orcaflex))
    session.load(file)
    other = orcaflex.Model(str(file), threadCount=1)
    with simulated.counting() as count:
        for _ in range(3):
            assert other["Line01"].name == "Line01"
            other["Line01"].TimeHistory("X", None, orcaflex.oeEndA)
    assert count.counters.log_passes == 3
    assert type(other) is orcaflex.Model
    del other
    session.close()


def test_objects_look_like_orcflexs_own(orcaflex, sims):
    """Class names, isinstance, repr and hasattr are what code expects."""

    def postprocess(model):
        line, vessel = model["Line01"], model["Vessel1"]
        return (
            repr(line),
            str(line),
            type(line).__name__,
            isinstance(line, orcaflex.OrcaFlexLineObject),
            isinstance(model, orcaflex.Model),
            hasattr(vessel, "RangeGraph"),
            hasattr(line, "NoSuchThing"),
            line == model["Line01"],
            len(model),
            sorted(model.keys()),
            "Line01" in model,
            line.typeName,
        )

    files = sims(1)
    assert values(run(files, postprocess, broker(orcaflex))) == values(run(files, postprocess))


def test_two_brokers_share_one_hook(orcaflex, sims):
    """The hook goes in with the first model and out with the last."""
    file = sims(1)[0]
    hook = Hook.of(orcaflex)
    sessions = [Session(find_binding(), broker(orcaflex)) for _ in range(2)]
    assert not hook.installed
    for session in sessions:
        session.load(file)
    assert orcaflex.Model._hookOrcaFlexObjectClass == [hook]
    sessions[0].close()
    assert hook.installed
    assert sessions[1].model["Line01"].name == "Line01"
    sessions[1].close()
    assert orcaflex.Model._hookOrcaFlexObjectClass == []


def test_a_refused_licence_leaves_no_hook(orcaflex, sims):
    """When the model cannot be made, the hook is taken out again."""
    simulated.configure(simulated.Costs(seats=0))
    session = Session(find_binding(), broker(orcaflex))
    with pytest.raises(orcaflex.DLLError) as caught:
        session.load(sims(1)[0])
    assert caught.value.status == orcaflex.StatusCode.LicensingError
    assert not Hook.of(orcaflex).installed
    session.close()


def test_a_differing_joint_answer_is_found_and_named(orcaflex, sims):
    """One variable of one file, one unit in the last place: that file says so; after it nothing is asked jointly."""
    files = sims(4)

    def postprocess(model):
        return [model["Line01"].TimeHistory(name, None, orcaflex.oeEndA).tobytes() for name in VARIABLES]

    reference = values(run(files, postprocess))
    simulated.configure(simulated.Costs(ulp=("case2.sim", "Line01", "Curvature")))
    shared = broker(orcaflex, draw=lambda count: VARIABLES.index("Curvature"))
    results = run(files, postprocess, shared)
    reports = [report for _, _, report in results]
    assert [report.used_joint_answers for report in reports] == [False, True, True, False]
    assert [bool(report.mismatch) for report in reports] == [False, False, True, False]
    assert "'Curvature' of 'Line01'" in reports[2].mismatch
    same = [value == expected for value, expected in zip(values(results), reference, strict=True)]
    assert same == [True, True, False, True]
    assert shared.distrusted


def test_the_check_comes_before_a_change(orcaflex, sims):
    """A joint answer is compared before something changes the model, and once per file."""

    def postprocess(model):
        out = [model["Line01"].TimeHistory(name, None, orcaflex.oeEndA).tobytes() for name in VARIABLES[:2]]
        model["Line01"].name = "Other"
        return out + [model["Other"].TimeHistory(name, None, orcaflex.oeEndA).tobytes() for name in VARIABLES[2:]]

    files = sims(2)
    results = run(files, postprocess, broker(orcaflex))
    assert values(results) == values(run(files, postprocess))
    assert results[1][2].mismatch == ""


@pytest.mark.parametrize("change", ["Reset", "Clear"])
def test_the_check_comes_before_a_change_also_where_every_joint_answer_was_asked_for(orcaflex, sims, change):
    """Nothing is left to be asked, but what was handed out is still to be compared, with the model as it was."""

    def postprocess(model):
        out = [model["Line01"].TimeHistory(name, None, orcaflex.oeEndA).tobytes() for name in VARIABLES]
        getattr(model, change)()
        return out, len(model)

    files, shared = sims(3), broker(orcaflex)
    results = run(files, postprocess, shared)
    assert values(results) == values(run(files, postprocess))
    assert [(report.used_joint_answers, report.mismatch) for _, _, report in results[1:]] == [(True, "")] * 2
    assert [counters.log_passes for _, counters, _ in results[1:]] == [2, 2]


def test_objects_of_a_class_that_never_asks_the_memory_are_not_asked_ahead(orcaflex, sims):
    """A hook of the code's own may leave the broker's class out: its objects are asked by the code alone."""

    class MyLine(orcaflex.OrcaFlexLineObject):
        pass

    def postprocess(model):
        hook = lambda kind, base: MyLine if kind == orcaflex.ObjectType.Line and hooked else base  # noqa: E731
        orcaflex.Model.addOrcaFlexObjectClassHook(hook)
        try:
            out = [model["Line01"].TimeHistory(name, None, orcaflex.oeEndA).tobytes() for name in VARIABLES]
            out += [model["Vessel1"].TimeHistory(name).tobytes() for name in ("X", "Y")]
            model["Line01"].name = "Other"
        finally:
            orcaflex.Model.removeOrcaFlexObjectClassHook(hook)
        return out

    files, shared, hooked = sims(2), broker(orcaflex), False
    expected = values(run(files, postprocess))
    assert values(run(files, postprocess, shared)) == expected
    hooked = True
    assert values(run(files, postprocess, shared)) == expected


def test_prefetch_and_check_can_be_switched_off(orcaflex, sims):
    """Without prefetch each distinct question is asked once, singly; without the check its pass is saved."""

    def postprocess(model):
        return [model["Line01"].TimeHistory(name, None, orcaflex.oeEndA).max() for name in VARIABLES * 2]

    files = sims(2)
    for options, passes in (({"prefetch": False}, [4, 4]), ({"self_check": False}, [4, 1])):
        results = run(files, postprocess, broker(orcaflex, **options))
        assert [counters.log_passes for _, counters, _ in results] == passes
    assert BrokerOptions(enabled=False).most_bytes == 0


def test_memory_of_the_answers_is_bounded(orcaflex, sims):
    """Remembered and joint answers together never take more than twice the chunk; what was dropped is asked again."""
    limit = 4 * 8 * 101

    def postprocess(model):
        memory = model._answer_cache
        out = []
        for name in ("X", "Y", "Z", "Velocity", "Curvature", "Torque") * 2:
            out.append(model["Line01"].TimeHistory(name, (0.0, 10.0), orcaflex.oeEndA).tobytes())
            tables = {id(found[0]): found[0].nbytes for found in memory.held.values()}
            assert sum(tables.values()) == memory.answers.held_bytes <= 2 * limit
        return out

    def plain(model):
        names = ("X", "Y", "Z", "Velocity", "Curvature", "Torque") * 2
        return [model["Line01"].TimeHistory(name, (0.0, 10.0), orcaflex.oeEndA).tobytes() for name in names]

    files = sims(3)
    assert values(run(files, postprocess, broker(orcaflex, chunk_bytes=limit))) == values(run(files, plain))


def test_the_answers_stay_within_what_is_reserved_for_the_file(orcaflex, sims, monkeypatch):
    """A quarter of the reservation: joint requests become smaller, nothing is asked twice, and answers are the same."""
    monkeypatch.setattr(broker_options, "LEAST_ROOM_BYTES", 0)
    history = 8 * 101
    asked = [(f"Line{line:02d}", name) for line in (1, 2, 3) for name in VARIABLES]
    most = []

    def postprocess(model):
        out = []
        for line, name in asked:
            out.append(model[line].TimeHistory(name, (0.0, 10.0), orcaflex.oeEndA).tobytes())
            if hasattr(model, "_answer_cache"):
                tables = {id(table): table.nbytes for table, _ in model._answer_cache.held.values()}
                most.append(sum(tables.values()))
        return out

    files = sims(2)
    expected, passes = values(run(files, postprocess)), {}
    most.clear()
    for room in (12, 5):
        seeds = [Question(line, name, (0.0, 10.0), (("LinePoint", 0),)) for line, name in asked]
        results = run(files, postprocess, broker(orcaflex, seeds), reserved_bytes=4 * room * history)
        assert values(results) == expected
        passes[room] = [counters.log_passes for _, counters, _ in results]
        assert max(most) == room * history
        most.clear()
    # 12 in one request; or 5, 5 and 2; and one is checked.
    assert passes == {12: [2, 2], 5: [4, 4]}


def test_linked_statistics_of_the_same_question_are_opened_once(orcaflex, sims):
    """Asked twice, opened once, same figures."""

    def postprocess(model):
        out = []
        for _ in range(2):
            linked = model["Line01"].LinkedStatistics(["X", "Y"], None, orcaflex.oeEndA)
            out.append(linked.Query("X", "Y").asDict())
        return out

    files = sims(1)
    plain, brokered = run(files, postprocess), run(files, postprocess, broker(orcaflex))
    assert values(brokered) == values(plain)
    opened = [
        sum(count for name, count in results[0][1].calls.items() if "OpenLinkedStatistics" in name)
        for results in (plain, brokered)
    ]
    assert opened == [2, 1]


def test_threads_learn_from_each_other(orcaflex, sims):
    """Sessions of one process share what they learnt: a second thread's first file is asked jointly."""
    files, shared, passes = sims(2), broker(orcaflex), []

    def postprocess(model):
        return [model["Line01"].TimeHistory(name, None, orcaflex.oeEndA).max() for name in VARIABLES]

    for file in files:
        thread = threading.Thread(
            target=lambda file=file: passes.append(run([file], postprocess, shared)[0][1].log_passes)
        )
        thread.start()
        thread.join()
    assert passes == [4, 2]


def test_statistics_of_histories_use_them(orcaflex, sims):
    """OrcFxAPI's own methods over a time history (extremes, static results) come from the same answers."""

    def postprocess(model):
        line = model["Line01"]
        extrema = line.AnalyseExtrema("X", None, orcaflex.oeEndA).asDict()
        static = line.StaticResult("X", orcaflex.oeEndA)
        history = line.TimeHistory("X", None, orcaflex.oeEndA)
        return extrema, float(static), type(static).__name__, float(np.mean(history))

    files = sims(2)
    plain, brokered = run(files, postprocess), run(files, postprocess, broker(orcaflex))
    assert values(brokered) == values(plain)
    assert brokered[0][1].log_passes < plain[0][1].log_passes
