"""The broker's parts on their own: keys, what is learnt, what is asked ahead, what is kept."""

from __future__ import annotations

import ctypes
import gc
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from orcabatch.orcaflex.broker.classes import object_names
from orcabatch.orcaflex.broker.hook import writers
from orcabatch.orcaflex.broker.kept_answers import KeptAnswers
from orcabatch.orcaflex.broker.keys import Keys, UnkeyableError, period_number
from orcabatch.orcaflex.broker.own_code import OwnCode
from orcabatch.orcaflex.broker.prefetch import Prefetch, bind
from orcabatch.orcaflex.broker.question_history import ExpectedQuestion, QuestionHistory, QuestionRecord
from orcabatch.orcaflex.broker.self_check import SelfCheck, same_bits
from orcabatch.simulated import ObjectSpec, ObjectType
from orcaflex.driving import broker, run, values


def question(label, variable="X", order=0):
    return ExpectedQuestion(label, variable, None, (label, variable, None), order)


def record(asked, bound=None, missed=()):
    made = QuestionRecord(bound=bound or {}, missed=set(missed))
    for period, names in asked.items():
        for name in names:
            made.note(period, (name, "X", None), None)
    return made


def labels(history):
    return [(group.period, [item.label for item in group.questions]) for group in history.expected()]


def test_periods_that_mean_the_same_have_one_key(orcaflex):
    """A number, the enumeration and the structure are one period; a list and a tuple of the same times too."""
    keys, number = Keys(orcaflex), orcaflex.PeriodNum
    assert keys.period(number.StaticState) == keys.period(int(number.StaticState))
    assert keys.period(number.StaticState) == keys.period(orcaflex.Period(number.StaticState))
    assert keys.period([0, 5]) == keys.period((0.0, 5.0)) == keys.period(orcaflex.SpecifiedPeriod(0.0, 5.0))
    assert keys.period(None) is None
    assert len({keys.period(each) for each in ((0.0, 5.0), (-0.0, 5.0), number.LatestWave, None)}) == 4
    assert period_number(keys.period((0.0, 5.0))) == number.SpecifiedPeriod
    assert period_number(None) is None


@pytest.mark.parametrize("period", ["whole", (0.0, None), (1.0,), object(), 10**20, 1.5])
def test_periods_that_are_not_understood_are_left_to_orcaflex(orcaflex, period):
    """No key, no memory: OrcFxAPI answers or objects by itself."""
    with pytest.raises(UnkeyableError):
        Keys(orcaflex).period(period)


def test_extras_are_keyed_by_what_their_strings_say(orcaflex):
    """Equal fields give equal keys although the strings lie elsewhere; another string gives another key."""
    keys = Keys(orcaflex)
    one, same, other = (orcaflex.oeWing("".join(text)) for text in (("Wing", "1"), ("Wing", "1"), ("Wing", "2")))
    assert keys.object_extra(one) == keys.object_extra(same) != keys.object_extra(other)
    assert keys.object_extra(orcaflex.oeArcLength(5.0)) != keys.object_extra(orcaflex.oeArcLength(6.0))
    assert keys.object_extra(None) is None
    with pytest.raises(UnkeyableError):
        keys.object_extra(orcaflex.arEntireRange())


def test_a_copied_extra_has_strings_of_its_own(orcaflex):
    """The copy stays whole when the original is changed and gone."""
    keys = Keys(orcaflex)
    original = orcaflex.oeSupport(2, "".join(["Line", "07"]))
    original.EnvironmentPos[1] = 4.5
    copy, key = keys.copied(original), keys.object_extra(original)
    original.SupportedLineName = "Another"
    del original
    gc.collect()
    assert keys.object_extra(copy) == key
    assert copy.SupportedLineName == "Line07"
    assert list(copy.EnvironmentPos) == [0.0, 4.5, 0.0]


def test_what_files_asked_is_expected_of_the_next(orcaflex):
    """In their order, grouped by period; a later file's new period takes over its group."""
    keys = Keys(orcaflex)
    short, long = keys.period((0.0, 5.0)), keys.period((0.0, 9.0))
    history = QuestionHistory()
    history.learn(record({short: ["a", "b"], None: ["c"]}))
    assert labels(history) == [(short, ["a", "b"]), (None, ["c"])]
    plan = history.expected()
    group = bind(plan, {}, long, ("b", "X", None))
    assert group is plan[0]
    assert bind(plan, {group.number: long}, long, ("b", "X", None)) is None
    history.learn(record({long: ["b", "a", "d"]}, {group.number: long}))
    assert sorted(labels(history), key=str) == sorted([(None, ["c"]), (long, ["b", "a", "d"])], key=str)


def test_what_was_missed_is_not_expected_again(orcaflex):
    """A question that was asked ahead for nothing is out, in periods of its kind, until two files in a row ask it."""
    keys = Keys(orcaflex)
    period = keys.period((0.0, 5.0))
    number = period_number(period)
    history = QuestionHistory([(period, question("a")), (period, question("b"))])
    history.learn(record({period: ["a"]}, {0: period}, [(number, ("b", "X", None))]))
    for names in (["a", "b"], ["a"], ["a", "b"]):
        history.learn(record({period: names}, {0: period}))
        assert labels(history) == [(period, ["a"])]
    history.learn(record({period: ["a", "b"]}, {0: period}))
    assert labels(history) == [(period, ["a", "b"])]


def test_what_is_missed_again_takes_longer_to_come_back(orcaflex):
    """Two files in a row after the first miss, four after the second."""
    keys = Keys(orcaflex)
    period = keys.period((0.0, 5.0))
    miss = (period_number(period), ("b", "X", None))
    history, needed = QuestionHistory([(period, question("a")), (period, question("b"))]), []
    for _ in range(3):
        history.learn(record({period: ["a"]}, {0: period}, [miss]))
        needed.append(0)
        while labels(history) == [(period, ["a"])]:
            history.learn(record({period: ["a", "b"]}, {0: period}))
            needed[-1] += 1
    assert needed == [2, 4, 8]


def test_what_an_unusual_file_leaves_out_is_expected_all_the_same(orcaflex):
    """A simulation that did not reach its end makes code stop early; what it did not ask for is not forgotten."""
    period = Keys(orcaflex).period((0.0, 5.0))
    history = QuestionHistory([(period, question("a")), (period, question("b"))])
    miss = (period_number(period), ("b", "X", None))
    history.learn(record({period: ["a"]}, {0: period}, [miss]), typical=False)
    assert labels(history) == [(period, ["a", "b"])]


def test_groups_that_nobody_asks_for_any_more_are_dropped():
    """After five files that did not ask with it, a period is forgotten."""
    history = QuestionHistory([(None, question("a"))])
    for _ in range(5):
        assert labels(history)[0] == (None, ["a"])
        history.learn(record({b"other" + bytes(19): ["z"]}))
    assert [names for _, names in labels(history)] == [["z"]]


def test_history_is_shared_between_threads():
    """Learning from many threads at a time loses no question."""
    history = QuestionHistory()

    def learn(name):
        for _ in range(50):
            history.learn(record({None: [name]}, {group.number: None for group in history.expected()}))

    threads = [threading.Thread(target=learn, args=(f"q{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for _, names in labels(history) for name in set(names)) == ["q0", "q1", "q2", "q3"]


def test_in_the_frequency_domain_nothing_is_asked_jointly():
    """The joint call knows time histories only; the question goes singly, and is asked of the file once."""
    asked = []
    helpers = SimpleNamespace(IsFrequencyDomainDynamics=lambda handle: asked.append("domain") or True)
    objects, module = SimpleNamespace(model_handle=1), SimpleNamespace(HelperMethods=helpers)
    prefetch = Prefetch(module, objects, KeptAnswers(0), 10**6, (ValueError,))
    expected = QuestionHistory([(None, question("a")), (None, question("b"))]).expected()
    prefetch.begin(expected, QuestionRecord())
    for label in ("a", "b"):
        assert prefetch.fetch((1, "X", None, None), (label, "X", None), None) is None
    assert asked == ["domain"]


def test_the_oldest_answers_go_first():
    """Never more bytes than the limit; what is larger than all of it is not kept."""
    answers = KeptAnswers(100)
    for name in ("a", "b", "c"):
        answers.keep(name, name, 40)
    assert list(answers.held) == ["b", "c"]
    answers.keep("huge", "huge", 101)
    assert list(answers.held) == ["b", "c"]
    answers.keep_table(["d", "e"], np.zeros((5, 2)))
    assert list(answers.held) == ["d", "e"]
    assert answers.held_bytes == 80


def test_what_nobody_asked_for_yet_is_not_driven_out():
    """It would have to be asked jointly again. Once all of a joint answer was asked for it goes like any other."""
    answers = KeptAnswers(100)
    answers.keep_table(["d", "e"], np.zeros((5, 2)))
    answers.keep("a", "a", 20)
    answers.keep("b", "b", 20)
    assert list(answers.held) == ["d", "e", "b"]
    assert (answers.held_bytes, answers.room_bytes) == (100, 20)
    answers.keep("c", "c", 21)
    assert not answers.make_room(21)
    assert list(answers.held) == ["d", "e", "b"]
    answers.asked("d")
    answers.asked("d")
    assert answers.room_bytes == 20
    answers.asked("e")
    assert answers.room_bytes == 100
    answers.keep("c", "c", 60)
    assert list(answers.held) == ["b", "c"]
    answers.clear()
    assert (answers.held_bytes, answers.room_bytes, answers.unread) == (0, 100, {})


@pytest.mark.parametrize(("draws", "checked"), [((0, 3), 0), ((2, 5), 2), ((2, 0), 3), ((1, 2), 5)])
def test_every_joint_answer_may_be_the_one_that_is_checked(draws, checked):
    """The sample is drawn among all answers of a file's requests; there is one comparison per file."""
    drawn, asked = iter(draws), []

    def asking(number):
        return lambda: asked.append(number) or np.array([float(number)])

    check = SelfCheck(lambda count: next(drawn))
    for start in (0, 3):
        table = np.arange(start, start + 3, dtype=float).reshape(1, 3)
        check.offer(table, [("Line1", f"v{number}", asking(number)) for number in range(start, start + 3)])
    assert check.settle((ValueError,)) == ""
    assert check.settle((ValueError,)) == ""
    assert asked == [checked]


def test_bits_are_compared_not_values():
    """A NaN equals itself, 0.0 does not equal -0.0, one unit in the last place is a difference."""
    assert same_bits(np.array([np.nan]), np.array([np.nan]))
    assert not same_bits(np.array([0.0]), np.array([-0.0]))
    assert not same_bits(np.array([1.0]), np.array([np.nextafter(1.0, 2.0)]))
    assert not same_bits(np.array([1.0]), np.array([1.0, 1.0]))


def test_a_joint_answer_that_fails_singly_is_a_mismatch():
    """Then the joint call answered what OrcaFlex would have refused."""
    check = SelfCheck(lambda count: 0)

    def refuse():
        raise ValueError("no such thing")

    check.offer(np.zeros((2, 2)), [("Line1", "X", refuse), ("Line1", "Y", refuse)])
    assert "singly it fails (no such thing)" in check.settle((ValueError,))


@pytest.mark.parametrize("status", ["LicensingError", "TimeHistoryError"])
def test_what_is_refused_for_a_moment_is_no_mismatch(orcaflex, status):
    """Asking jointly would be switched off, with "please report", for a server that was away, or memory that was."""
    check = SelfCheck(lambda count: 0)

    def refuse():
        raise orcaflex.DLLError(orcaflex.StatusCode[status], "the server is gone, or out of memory")

    check.offer(np.zeros((2, 1)), [("Line1", "X", refuse)])
    assert check.settle((orcaflex.DLLError,)) == ""


def test_every_export_that_may_change_a_model_is_known(orcaflex):
    """Of the DLL's exports all count as changes but those known to read; nothing that loads, sets or moves reads."""
    names = set(writers(orcaflex, OwnCode(orcaflex)))
    changing = {"_LoadSimulation", "_LoadData", "_ClearModel", "_ResetModel", "_SetDataDouble", "_SetDataString",
                "_BeginDataChange", "_EndDataChange", "_CalculateStatics", "_RunSimulation2", "_CreateClone",
                "_CreateObject", "_DestroyObject", "_SetModelThreadCount", "_AttachToThread"}  # fmt: skip
    present = {name for name in changing if isinstance(getattr(orcaflex, name), type(orcaflex._ClearModel).__mro__[1])}
    assert present <= names
    assert len(present) >= 9  # those that the simulated DLL has
    assert not any(name.startswith(("_Get", "_Enumerate", "_Save")) for name in names)


def test_functions_of_the_module_that_change_models_empty_the_memory(orcaflex, sims):
    """OrcFxAPI's own functions over objects, too; afterwards they are OrcFxAPI's own again."""
    before = {name: getattr(orcaflex, name) for name in writers(orcaflex, OwnCode(orcaflex))}

    def postprocess(model):
        line, memory = model["Line01"], model._answer_cache
        line.TimeHistory("X", None, orcaflex.oeEndA)
        assert memory.held
        orcaflex._SetDataString(line.handle, "Name", 0, "Other", ctypes.c_int())
        return line.name, len(memory.held)

    assert values(run(sims(1), postprocess, broker(orcaflex))) == [("Other", 0)]
    assert {name: getattr(orcaflex, name) for name in before} == before


def test_long_names_are_read_whole(orcaflex, sims):
    """The enumeration may cut a name at 49 characters; objects are found and named by all of it."""
    long = "L" * 48, "M" * 49, "N" * 50, "O" * 80
    files = sims(1, objects=tuple(ObjectSpec(name, ObjectType.Line) for name in long))

    def postprocess(model):
        return [item.name for item in model.objects], [model[name].name for name in long], list(model)

    assert values(run(files, postprocess, broker(orcaflex))) == values(run(files, postprocess))


def test_names_of_all_objects_are_told_by_one_object_of_each_type(orcaflex, sims):
    """As OrcFxAPI tells them, also after one was renamed; without a broker none is told."""
    [file] = sims(1, objects=40)

    def asked(model):
        listed = [object_names(model), object_names(model)]
        made = len(model._answer_cache.objects._made)
        model["Line01"].name = "Renamed"
        return [*listed, object_names(model)], made, [each.name for each in model.objects], {*map(type, model.objects)}

    [((first, again, renamed), made, names, classes)] = values(run([file], asked, broker(orcaflex)))
    assert first is again
    assert renamed == names == ["Renamed" if name == "Line01" else name for name in first]
    assert len(first) == 40
    assert len(classes) <= made < 20
    assert values(run([file], object_names)) == [None]


@pytest.mark.parametrize("way", ["hook", "class"])
def test_names_of_a_users_own_class_are_asked_of_each_object(orcaflex, sims, monkeypatch, way):
    """Its `name` may be anything."""

    class Shouting(orcaflex.OrcaFlexLineObject):
        @property
        def name(self):
            return self.GetData("Name", 0).upper()

    hook = lambda kind, base: Shouting if kind == orcaflex.ObjectType.Line else base  # noqa: E731 - compared by identity
    if way == "hook":
        orcaflex.Model.addOrcaFlexObjectClassHook(hook)
    else:
        monkeypatch.setattr(orcaflex, "OrcaFlexLineObject", Shouting)
    try:
        told = values(run(sims(1), lambda model: (object_names(model), model["Line01"].name), broker(orcaflex)))
    finally:
        if way == "hook":
            orcaflex.Model.removeOrcaFlexObjectClassHook(hook)
        monkeypatch.undo()
    assert told == [(None, "LINE01")]
