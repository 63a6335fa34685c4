"""What runs in a dask worker process: the worker loops of a run, each on a thread of its own.

    scheduler ── one dask task per file ──> work() ── WorkerLoop (opens, works, closes on its own thread)
    client <── started, phases, notes: as events ──┘   └── the outcomes: as the dask task's result ──> client

Covers the worker's side of `executor: dask`: it does what `process_main` does in a worker process. Does not cover the
client's side (`executor`). A dask thread only waits for the loop that has its file: a model never leaves the thread
that made it, and dask says nothing about which of its threads runs what.

The loops of a run live until the run's client closes them, or until they had nothing to do for `IDLE_S`: a client
that was killed closes nothing, and a model holds memory and a licence seat.
"""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from orcabatch.console import crash_without_a_dialog, leave_the_terminal_to_the_parent, survive_code_pages
from orcabatch.engine.executors.dask.imported import Imported
from orcabatch.engine.executors.process_main import give_way, report, shorter
from orcabatch.engine.executors.transport import Report
from orcabatch.engine.inherited import Inherited, Loan
from orcabatch.engine.memory_meter import MemoryMeter
from orcabatch.engine.shared_state import SharedStateWatch
from orcabatch.engine.shared_values import SharedValues
from orcabatch.engine.worker_loop import WorkerLoop
from orcabatch.engine.worker_messages import Broken, Closed, Complaint, Died, Finished, Message
from orcabatch.errors import OrcabatchError
from orcabatch.own_thread import OwnThread
from orcabatch.sleep import awake_s
from orcabatch.text import shortened_list, words_of
from orcabatch.versions import other_versions
from orcabatch.win32 import end_now

if TYPE_CHECKING:
    from orcabatch.engine.contract import Recipe, Task
    from orcabatch.engine.surroundings import Surroundings

IDLE_S = 600.0
"""Worker loops that had no file for so long are closed; the next file opens new ones. Shorter: batches that follow each
other open anew. Longer: models hold memory and seats that nobody uses."""

_lock = threading.Lock()
_hiring = threading.Lock()
_crews: dict[str, Crew] = {}
_imported = Imported()


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """What goes along with every file of a run.

    Attributes:
        run: name of the run, and of the topic that its events are published under.
        recipe: packed.
        inherited: what the process takes over from the client's, while it works for this run.
        versions: the client's, see `orcabatch.versions`.
        low_priority: whether the process gives way to other programs.
    """

    run: str
    recipe: bytes
    inherited: Inherited
    versions: tuple[tuple[str, str], ...]
    low_priority: bool = False


def dask_setup(_worker: object) -> None:
    """As a preload of workers that the client started itself: what Ctrl-C means is decided by the client."""
    leave_the_terminal_to_the_parent()
    crash_without_a_dialog()
    survive_code_pages()


def work(order: WorkOrder, packed: bytes) -> bytes:
    """The dask task: one file on a loop of its run. Returns a packed `Report`."""
    try:
        with _hiring:  # not `_lock`, which the worker's event loop takes too: an initializer may take its time
            with _lock:
                crew = _crews.get(order.run)
                hand = None if crew is None else crew.take()
            if crew is None or hand is None:
                made = _hire(order)
                if isinstance(made, str):
                    return pickle.dumps(Report(Broken(made)), pickle.HIGHEST_PROTOCOL)
                with _lock:
                    crew = _crews[order.run] = made
                    hand = crew.take()
    except RuntimeError as error:
        text = f"its dask worker has no thread for it: {error}"
        return pickle.dumps(Report(Died("dask", (), text)), pickle.HIGHEST_PROTOCOL)
    try:
        done = crew.do(hand, packed)
        try:
            return pickle.dumps(done, pickle.HIGHEST_PROTOCOL)
        except BaseException as error:  # noqa: BLE001 - no memory for it: the file has failed, and the worker has not
            return pickle.dumps(Report(shorter(done.message, error, crew.name)), pickle.HIGHEST_PROTOCOL)
    finally:
        with _lock:
            crew.give_back(hand)


async def close_run(run: str) -> None:
    """Close the loops of a run in this process, each on its own thread, after what they still do."""
    with _lock:
        crew = _crews.pop(run, None)
    if crew is not None:
        await asyncio.to_thread(crew.close)


def collect() -> None:
    """Give memory back in this process."""
    with _lock:
        crews = list(_crews.values())
    for crew in crews:
        crew.meter.give_back()


def leave() -> None:
    """End this process at once: one of its files hangs. Its nanny, if it has one, starts another."""
    end_now(1)


def _hire(order: WorkOrder) -> Crew | str:
    """The crew for a run, or why it cannot work here."""
    if other := other_versions(order.versions):
        return f"it has {other}; install the same versions on all machines"
    if edited := _imported.edited():
        return f"it had imported {shortened_list(edited)} before the last change there; restart the dask workers"
    try:
        recipe = pickle.loads(order.recipe)  # noqa: S301 - from the client, whom the cluster trusts
    except Exception as error:  # noqa: BLE001 - unpacking imports the user's modules
        text = f"it cannot unpack what it needs: {words_of(error)}"
        return f"{text}; make the module importable on every machine"
    from distributed import get_worker

    worker = get_worker()
    name = f"dask-{str(worker.name).rpartition('/')[2]}"
    publish: Callable[[bytes], Any] = lambda packed: worker.log_event(order.run, packed)  # noqa: E731 - typed
    loan = Loan(order.inherited, name)
    try:
        surroundings = order.inherited.begin(partial(_publish, publish))
    except Exception as error:  # noqa: BLE001 - the user's initializer runs in it
        loan.give_back()
        return str(error)
    if fault := _fault(recipe):
        surroundings.close()
        loan.give_back()
        return fault
    _imported.note()
    watch = SharedStateWatch(partial(_publish, publish)) if worker.state.nthreads > 1 else None
    crew = Crew(recipe, name, publish, replace(surroundings, watch=watch), loan)
    try:
        if order.low_priority:
            give_way()
    except Exception as error:  # noqa: BLE001 - whatever a system answers, files can be worked on all the same
        crew.tell(Complaint(f"worker {name}: the system refused its priority: {words_of(error)}"))
    try:
        OwnThread(_dismiss_when_idle, f"{name}-idle", (order.run, crew)).start()
    except RuntimeError as error:
        text = f"worker {name} keeps what it has until the run has ended: it gets no thread to look whether it idles"
        crew.tell(Complaint(f"{text}: {error}"))
    return crew


def _fault(recipe: Recipe) -> str:
    """Why no worker can be made here, whichever file it is for: there is no OrcaFlex, or another than the client's."""
    try:
        recipe.open_worker(lambda _: None).close()
    except OrcabatchError as error:
        return str(error)
    except Exception:  # noqa: BLE001 - a licence that may be free again, a fault of the user's: each file says it
        return ""
    return ""


def _dismiss_when_idle(run: str, crew: Crew) -> None:
    while not crew.closed.wait(IDLE_S / 10):
        with _lock:
            if not crew.idle_for(IDLE_S) or _crews.get(run) is not crew:
                continue
            del _crews[run]
        crew.close()


class Hand:
    """One loop of a crew, and where it puts the end of the file that it has."""

    def __init__(self, crew: Crew, number: int) -> None:
        self.ended: SimpleQueue[Finished | Died] = SimpleQueue()
        self.alive = True
        self.loop = WorkerLoop(
            crew.recipe,
            lambda said: self._heard(crew, said),
            f"{crew.name}-{number}",
            crew.meter,
            crew.surroundings,
        )
        self.thread = OwnThread(self.loop.run, self.loop.name, over=self.loop.give_up)

    def _heard(self, crew: Crew, said: Message) -> None:
        if isinstance(said, Finished | Died):
            self.ended.put(said)
        elif not isinstance(said, Closed):
            crew.tell(said)


class Crew:
    """The loops of one run in this process. `take`, `give_back` and `idle_for` are called under the lock.

    Args:
        recipe: makes the workers.
        name: the first part of theirs.
        publish: takes packed messages, for the client.
        surroundings: what each file finds.
        loan: what the process has of the client's; given back when the crew is closed.
    """

    def __init__(
        self, recipe: Recipe, name: str, publish: Callable[[bytes], Any], surroundings: Surroundings, loan: Loan
    ) -> None:
        self.recipe = recipe
        self.name = name
        self.surroundings = surroundings
        self.meter = MemoryMeter()
        self._loan = loan
        self._shared = SharedValues()
        self.closed = threading.Event()
        self._publish = publish
        self._hands: list[Hand] = []
        self._free: list[Hand] = []
        self._count = 0
        self._idle_since_s = awake_s()

    def take(self) -> Hand:
        """A loop without a file; it is started where there is none.

        Raises:
            RuntimeError: the system gives no thread for it.
        """
        if self._free:
            return self._free.pop()
        self._count += 1
        hand = Hand(self, self._count)
        hand.thread.start()
        self._hands.append(hand)
        return hand

    def give_back(self, hand: Hand) -> None:
        """It has no file any more."""
        self._idle_since_s = awake_s()
        if hand.alive:
            self._free.append(hand)
        else:
            self._hands.remove(hand)

    def idle_for(self, seconds: float) -> bool:
        """Whether none has had a file for so long."""
        return len(self._free) == len(self._hands) and awake_s() - self._idle_since_s >= seconds

    def do(self, hand: Hand, packed: bytes) -> Report:
        """One file."""
        try:
            task: Task = pickle.loads(packed)  # noqa: S301 - from the client, whom the cluster trusts
        except Exception as error:  # noqa: BLE001 - unpacking runs the code of whatever goes along; one file is lost
            text = f"what goes with the file cannot be unpacked on the worker: {words_of(error)}"
            return Report(Died(self.name, (), text, final=True))
        self._shared.began(task.index)
        try:
            hand.loop.give(task)
            ended = hand.ended.get()
            hand.alive = isinstance(ended, Finished)
            if not hand.alive:
                hand.thread.join()  # that was the last it said
            for note in self._shared.notes(ended) if self.surroundings.watch is not None else ():
                self.tell(note)
            return report(ended)
        finally:
            self._shared.left(task.index)
            _imported.note()  # what the function imports

    def tell(self, message: Message) -> None:
        """Publish a message, for the client."""
        _publish(self._publish, message)

    def close(self) -> None:
        """End all loops and wait for them."""
        self.closed.set()
        for hand in list(self._hands):
            hand.loop.end()
        for hand in list(self._hands):
            hand.thread.join()
        self.surroundings.close()
        self._loan.give_back()


def _publish(publish: Callable[[bytes], Any], message: Message) -> None:
    publish(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))
