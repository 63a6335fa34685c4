"""Checks of what the loaded file answers: joint and single, again, by number and by name; and what a call costs.

All of them ask the one model that their contact has loaded, and change nothing of it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from orcabatch.doctor.assumptions import Verdict
from orcabatch.doctor.contact import BUDGET_S, Answer, Asked, Contact, answered, timed
from orcabatch.orcaflex.broker.self_check import same_bits
from orcabatch.sleep import awake_s

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENOUGH = 12
"""So many histories in one joint call say what joint calls cost; more would take longer and say the same."""
CHEAPER, NO_CHEAPER = 0.7, 0.8
"""A joint call over its single calls: below the first it is cheaper, above the second it is not; what lies between is
the machine's noise."""
LEAST_S = 0.002
"""Calls that take less than this together are not compared: the clock and other programs would decide."""
SMALL_CALL_S = 0.001
"""A small call takes microseconds; one of a millisecond makes a file's hundred thousand of them cost minutes."""
_REPEATS = 3
_CUT_NAME = 48


def can_be_loaded(contact: Contact) -> Answer:
    """The first file loads into an empty model."""
    model = contact.model
    figures = contact.figures | {"file_bytes": contact.size_bytes, "objects": len(model)}
    made, loaded = (1000 * float(contact.figures[name]) for name in ("create_s", "load_s"))
    return Answer(Verdict.HOLDS, f"model made in {made:.0f} ms, file loaded in {loaded:.0f} ms", figures)


def joint_bits(contact: Contact) -> Answer:
    """Joint and single histories, over periods, extras and types of object."""
    ends, compared, kinds, periods = awake_s() + BUDGET_S, 0, set[str](), list[str]()
    for name, period in contact.periods():
        pairs = list(_singles(contact, period, ends))
        if len(pairs) < 2:
            continue
        asked = [one for one, _ in pairs]
        table = answered(contact.module, _joint, contact, asked, period)
        if table is None:
            said = f"over the period {name!r}, {len(asked)} histories are answered singly and refused jointly"
            return Answer(Verdict.BROKEN, said, {"refused_in_period": name})
        for column, (one, alone) in enumerate(pairs):
            if table.shape[0] != alone.shape[0] or not same_bits(table[:, column].copy(), alone):
                where = f"{one.variable!r} of {one.target.Name!r}{f' ({one.place})' if one.place else ''}"
                said = f"{where} is not the same jointly and singly over the period {name!r}"
                return Answer(Verdict.BROKEN, said, {"differs_in_period": name, "differs_in_type": one.kind})
        compared += len(pairs)
        kinds |= {one.kind for one in asked}
        periods.append(name)
    if not compared:
        return Answer(Verdict.UNTOLD, "the file answers too few time histories")
    said = f"{compared} joint answers over {len(periods)} periods and {len(kinds)} types of object are the single ones"
    return Answer(Verdict.HOLDS, said, {"compared": compared, "periods": len(periods), "types": len(kinds)})


def joint_cost(contact: Contact) -> Answer:
    """Whether one joint call is cheaper than the single ones."""
    whole, asked = contact.whole(), contact.asked[:ENOUGH]
    if len(asked) < ENOUGH // 2:
        return Answer(Verdict.UNTOLD, f"the file answers only {len(asked)} time histories")
    single = _least_s(lambda: [one.single(whole) for one in asked])
    joint = _least_s(lambda: _joint(contact, asked, whole))
    figures = {"single_s": single / len(asked), "joint_s": joint, "joint_of": len(asked)}
    said = f"{len(asked)} histories take {1000 * single:.1f} ms singly, {1000 * joint:.1f} ms jointly"
    if single < LEAST_S:
        return Answer(Verdict.UNTOLD, f"{said}: too little to compare", figures)
    ratio = joint / single
    verdict = Verdict.HOLDS if ratio < CHEAPER else Verdict.BROKEN if ratio > NO_CHEAPER else Verdict.UNTOLD
    return Answer(verdict, said, figures)


def histories_repeat(contact: Contact) -> Answer:
    """Time histories, sample times, linked statistics and static results, asked again in another order."""
    whole = contact.whole()
    asks: list[tuple[str, Callable[[], Any]]] = [
        (f"the time history {one.variable!r} of {one.target.Name!r}", partial(one.single, whole))
        for one in contact.asked
    ]
    for one in contact.asked[::4]:
        name = f"{one.variable!r} of {one.target.Name!r}"
        asks.append((f"the static result {name}", partial(one.target.StaticResult, one.variable, one.extra)))
        asks.append((f"linked statistics of {name}", partial(_linked, one, whole)))
        asks.append((f"what was made as linked statistics of {name}", _Linked(one, whole)))
    for name, period in contact.periods():
        asks.append((f"the answer for the sample times of the period {name!r}", partial(_times, contact, period)))
    return _repeated(contact, asks)


def range_graphs_repeat(contact: Contact) -> Answer:
    """Range graphs, asked again."""
    module, whole, asks = contact.module, contact.whole(), list[tuple[str, Callable[[], Any]]]()
    lines = [one for one in contact.asked if hasattr(one.target, "RangeGraph") and one.place == "End A"]
    for one in lines:
        if answered(module, one.target.RangeGraph, one.variable, whole) is not None:
            name = f"the range graph {one.variable!r} of {one.target.Name!r}"
            asks.append((name, partial(_curves, one, whole)))
    return _repeated(contact, asks)


def numbers_last(contact: Contact) -> Answer:
    """A variable's number answers as its name does, over another period, after other questions."""
    helper, module, told = contact.module.HelperMethods, contact.module, 0
    ends = awake_s() + BUDGET_S
    for one in contact.asked:
        if told and awake_s() > ends:
            break
        number = one.target.varID(one.variable)
        for _, period in list(contact.periods())[:3]:
            by_name = answered(module, one.single, period)
            if by_name is None:
                continue
            how = (one.target.modelHandle, one.target.handle, number, period, one.extra)
            by_number = answered(module, helper.TimeDomainTimeHistory, *how)
            if by_number is None or not same_bits(by_name, by_number):
                said = f"the number of {one.variable!r} of {one.target.Name!r} does not last as long as the file"
                return Answer(Verdict.BROKEN, said, {"type": one.kind})
            told += 1
    if not told:
        return Answer(Verdict.UNTOLD, "the file answers no time history")
    return Answer(Verdict.HOLDS, f"{told} answers by a number asked for once are those by name", {"compared": told})


def enumeration(contact: Contact) -> Answer:
    """One enumeration gives the objects' handles, types and names."""
    model, module, found = contact.model, contact.module, list[tuple[int, int, str]]()

    def callback(_model: Any, info: Any) -> None:
        found.append((info[0].ObjectHandle, info[0].ObjectType, info[0].ObjectName))

    status = ctypes.c_int()
    reported = module._EnumerateObjectsProc(callback)
    seconds = timed(lambda: module._EnumerateObjects(model.handle, reported, ctypes.c_int(), status))
    figures: dict[str, float | str] = {"objects": len(found), "enumeration_s": seconds}
    for handle, kind, name in found:
        own = module.HelperMethods.GetDataString(module.Handle(handle), "Name", 0)
        if name != own and len(name) <= _CUT_NAME:
            return Answer(Verdict.BROKEN, f"the enumeration calls {own!r} {name!r}", figures)
        by_name = module.HelperMethods.ObjectCalledSafe(model.handle, own)
        if (by_name.ObjectHandle, by_name.ObjectType) != (handle, kind):
            said = f"{own!r} is another object, or of another type, by its name than in the enumeration"
            return Answer(Verdict.BROKEN, said, figures)
    if len(found) != len(model):
        said = f"the enumeration gives {len(found)} objects, the model has {len(model)}"
        return Answer(Verdict.BROKEN, said, figures)
    return Answer(Verdict.HOLDS, f"{len(found)} objects with their own names in {1000 * seconds:.1f} ms", figures)


def case_is_ignored(contact: Contact) -> Answer:
    """Names of objects and variables in other capitals."""
    model, told = contact.model, 0
    for one in contact.asked:
        name, variable = str(one.target.Name), one.variable
        other, otherwise = name.swapcase(), variable.swapcase()
        if other == name or otherwise == variable:
            continue
        same = answered(contact.module, one.target.varID, otherwise)
        if other not in model or same is None:
            return Answer(Verdict.BROKEN, f"{name!r} or its {variable!r} is not found in other capitals", {})
        told += 1
    if not told:
        return Answer(Verdict.UNTOLD, "no name in this file has letters")
    return Answer(Verdict.HOLDS, f"{told} objects and variables are found in other capitals", {"compared": told})


def completeness(contact: Contact) -> Answer:
    """Simulations call themselves complete where they reached their end, and only there."""
    partial = 0
    for file in contact.files:
        model = contact.model if file == contact.files[0] else _loaded_instead(contact, file)
        times = model.simulationTimeStatus
        reached, complete = float(times.CurrentTime) >= float(times.StopTime), bool(model.simulationComplete)
        partial += not reached
        if complete != reached:
            said = f"{file.name} is called {'complete' if complete else 'partial'} at {times.CurrentTime:g} s of "
            return Answer(Verdict.BROKEN, f"{said}{times.StopTime:g} s", {"partial_called_complete": int(complete)})
    if not partial:
        said = "complete ones are called so; give a partial simulation as a further file to hear more"
        return Answer(Verdict.UNTOLD, said)
    return Answer(Verdict.HOLDS, f"{partial} of {len(contact.files)} files are partial, and called so")


def own_thread_count(contact: Contact) -> Answer:
    """A model keeps to the threads that were asked for."""
    count = int(contact.model.threadCount)
    verdict = Verdict.HOLDS if count == 1 else Verdict.BROKEN
    return Answer(verdict, f"1 thread was asked for, the model says {count}", {"threads": count})


def small_calls(contact: Contact) -> Answer:
    """What a small call costs."""
    model, count = contact.model, 200
    each = _least_s(lambda: [model.state for _ in range(count)]) / count
    verdict = Verdict.HOLDS if each < SMALL_CALL_S else Verdict.BROKEN
    return Answer(verdict, f"a small call takes {1e6 * each:.0f} microseconds", {"small_call_s": each})


def statuses(contact: Contact) -> Answer:
    """What is not there is refused by the numbers that are known."""
    module, model = contact.module, contact.model
    spare = contact.files[0].with_name("orcabatch-doctor-no-such-file.sim")
    wanted = {
        "a variable": (26, partial(contact.asked[0].target.varID, "no such variable")),
        "a file": (6, partial(model.LoadSimulation, str(spare))),
    }
    for what, (number, ask) in wanted.items():
        try:
            ask()
        except module.DLLError as error:
            got = int(error.status)
        else:
            got = 0
        if got != number:
            said = f"{what} that is not there is refused with status {got}, not {number}"
            return Answer(Verdict.BROKEN, said, {"expected": number, "got": got})
    return Answer(Verdict.HOLDS, "what is not there is refused by the known numbers")


def _singles(contact: Contact, period: Any, ends: float) -> Iterator[tuple[Asked, NDArray[Any]]]:
    for one in contact.asked:
        alone = answered(contact.module, one.single, period)
        if alone is not None:
            yield one, alone
        if awake_s() > ends:
            return


def _least_s(call: Callable[[], Any]) -> float:
    """Seconds of the fastest of a few calls; of one where that takes long, so that no noise matters."""
    ends, least = awake_s() + BUDGET_S, timed(call)
    for _ in range(_REPEATS - 1):
        if awake_s() > ends:
            break
        least = min(least, timed(call))
    return least


def _joint(contact: Contact, asked: Sequence[Asked], period: Any) -> Any:
    module = contact.module
    wanted = [module.TimeHistorySpecification(one.target, one.variable, one.extra) for one in asked]
    return module.GetMultipleTimeHistories(wanted, period)


def _linked(one: Asked, period: Any) -> Any:
    return _Linked(one, period)()


class _Linked:
    """Linked statistics that are made once, and queried at each call."""

    def __init__(self, one: Asked, period: Any) -> None:
        self._one, self._period = one, period
        self._made: Any = None

    def __call__(self) -> Any:
        import numpy as np

        one = self._one
        self._made = self._made or one.target.LinkedStatistics([one.variable], self._period, one.extra)
        return np.array([float(value) for value in vars(self._made.Query(one.variable, one.variable)).values()])


def _times(contact: Contact, period: Any) -> Any:
    return contact.model.SampleTimes(period)


def _curves(one: Asked, period: Any) -> Any:
    import numpy as np

    graph = one.target.RangeGraph(one.variable, period)
    return np.concatenate([value for value in vars(graph).values() if isinstance(value, np.ndarray)])


def _repeated(contact: Contact, asks: Sequence[tuple[str, Callable[[], Any]]]) -> Answer:
    """Ask all, and all again from behind."""
    ends, first = awake_s() + BUDGET_S, list[tuple[str, Callable[[], Any], Any]]()
    for name, ask in asks:
        answer = answered(contact.module, ask)
        if answer is not None:
            first.append((name, ask, answer))
        if awake_s() > ends:
            break
    for name, ask, answer in reversed(first):
        again = answered(contact.module, ask)
        if again is None or not same_bits(_array(answer), _array(again)):
            return Answer(Verdict.BROKEN, f"{name} is another when it is asked for again", {"compared": len(first)})
    if not first:
        return Answer(Verdict.UNTOLD, "the file answers no such question")
    return Answer(Verdict.HOLDS, f"{len(first)} answers are the same again", {"compared": len(first)})


def _array(value: Any) -> Any:
    import numpy as np

    return np.asarray(value)


def _loaded_instead(contact: Contact, file: Any) -> Any:
    """Another file in the contact's model; what it answered before is answered no more."""
    contact.model.LoadSimulation(str(file))
    return contact.model


CHECKS: dict[str, Callable[[Contact], Answer]] = {
    "file_loads": can_be_loaded,
    "joint_bits": joint_bits,
    "joint_cheaper": joint_cost,
    "histories_repeat": histories_repeat,
    "range_graphs_repeat": range_graphs_repeat,
    "numbers_last": numbers_last,
    "enumeration_names": enumeration,
    "case_ignored": case_is_ignored,
    "small_calls": small_calls,
    "thread_count": own_thread_count,
    "completeness": completeness,
    "statuses": statuses,
}
"""Which assumption each of them asks for."""
