"""The connection to a dask cluster: one at an address, or one of our own on this machine.

Covers all that is asked of `distributed`, which is imported here and in the workers only. Does not cover which worker
gets which file (`placement`) nor what follows from what comes back (`executor`).

Why workers are looked up several times a second: when one dies, dask keeps the task for another or waits for that
address to come back, and tells the client neither; what the cluster does about it is the scheduler's setting, not ours.
A file is bound to one worker, so the worker's absence from the scheduler's list is what ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from typing import Any

from orcabatch.console import awaited_end, no_python, pieces_s
from orcabatch.engine.executors.dask import worker
from orcabatch.engine.executors.dask.placement import Seen
from orcabatch.engine.executors.leaving import CLOSING_S
from orcabatch.engine.logs import logger
from orcabatch.errors import SettingsError
from orcabatch.own_thread import OwnThread
from orcabatch.sleep import awake_s
from orcabatch.text import words_of

_log = logger(__name__)

CONNECT_S = 20.0
"""How long the scheduler may take to answer first. Shorter: one that is just starting is missed. Longer: so is a wrong
address, for that time."""

LOOK_S = 0.25
"""Between two looks at the workers. Shorter: the scheduler, which others use too, answers more often. Longer: a machine
that has joined idles, and one whose memory fills is seen late."""

ANSWER_S = 10.0
"""How long the scheduler may take to say who is there. Shorter: a busy one counts as silent. Longer: the run stands
still with it."""

MISSING = "executor: dask needs the package `distributed`: python -m pip install distributed"

NO_GUARD = (
    'In a script, what starts a batch on a local dask cluster has to stand below `if __name__ == "__main__":`, because '
    "dask's workers import the script again. `executor: processes` needs no such line."
)


class Cluster:
    """A client, and the cluster where it is our own.

    Args:
        address: of the scheduler; None: a cluster on this machine.
        processes, threads: of that one.

    Raises:
        SettingsError: there is none, the package is missing, or this program is no Python that workers could run.
    """

    def __init__(self, address: str | None, processes: int = 1, threads: int = 1) -> None:
        try:
            import distributed
        except ModuleNotFoundError as error:
            raise SettingsError(MISSING) from error
        self._own: Any = None
        if address is None:
            if why := no_python():
                raise SettingsError(f"executor: dask: its workers on this machine are processes, and {why}")
            self._own = _made(lambda: _local(distributed, processes, threads), f"no local dask cluster. {NO_GUARD}")
        where = self._own if address is None else address
        hint = f"no dask scheduler answers at {address}: start one (`dask scheduler`), or correct dask.address"
        self._client: Any = _made(lambda: _client(distributed, where), hint)
        self._loop: asyncio.AbstractEventLoop = self._client.loop.asyncio_loop
        self._given: dict[str, Any] = {}
        self._done = threading.Event()
        self._watcher: threading.Thread | None = None

    @property
    def pids(self) -> tuple[int, ...]:
        """The worker processes of a cluster of our own."""
        if self._own is None:
            return ()
        return tuple(nanny.pid for nanny in self._own.workers.values() if nanny.pid)

    @property
    def is_deserted(self) -> bool:
        """Whether no worker will ever come: ours have ended so often that dask has given them up."""
        return self._own is not None and not self._own.workers

    def look(self) -> dict[str, Seen]:
        """The workers that are there, by identity, from the scheduler: the client's own copy lacks them at times.

        Raises:
            Exception: the scheduler does not answer.
        """

        async def ask() -> Any:
            return await self._client.scheduler.identity(n_workers=-1)

        answer = asyncio.run_coroutine_threadsafe(ask(), self._loop)
        _is_done(answer, ANSWER_S)
        info = answer.result(0)
        found = [_seen(address, worker) for address, worker in info["workers"].items()]
        return {worker.identity: worker for worker in found}

    def watch(self, tell: Callable[[dict[str, Seen] | Exception], None]) -> None:
        """Look again and again, on a thread of its own, until it is closed; tell what was seen, or why nothing was.

        Raises:
            SettingsError: the system gives no thread for it.
        """

        def look() -> dict[str, Seen] | Exception:
            try:
                return self.look()
            except Exception as error:  # noqa: BLE001 - a scheduler that is gone is told, and asked again
                return error

        def live() -> None:
            while not self._done.wait(LOOK_S):
                # Who dies there is noticed by nobody else: what finds no memory is told at the next look.
                with contextlib.suppress(MemoryError):
                    tell(look())

        watcher = OwnThread(live, "orcabatch-dask-watcher")
        _made(watcher.start, "no thread can be started that looks at its workers")
        self._watcher = watcher

    def listen(self, run: str, tell: Callable[[bytes], None]) -> None:
        """Have what the workers of a run publish."""
        self._client.subscribe_topic(run, lambda event: tell(event[1]))

    def give(self, key: str, address: str, order: worker.WorkOrder, task: bytes) -> Future[bytes]:
        """Give a worker a file; what comes back is a packed `Report`. `drop` it instead of cancelling the future."""

        async def carry() -> bytes:
            given = self._given[key] = self._client.submit(
                *(worker.work, order, task),
                key=key,
                workers=[address],
                allow_other_workers=False,
                retries=0,
                pure=False,
            )
            try:
                packed: bytes = await self._client.gather(given, asynchronous=True)
                return packed
            finally:
                del self._given[key]
                given.release()

        return asyncio.run_coroutine_threadsafe(carry(), self._loop)

    def drop(self, key: str) -> None:
        """Make the scheduler forget a file; a worker that has it goes on with it."""

        async def cancel() -> None:
            if key in self._given:
                await self._client.cancel([self._given[key]], asynchronous=True)

        asyncio.run_coroutine_threadsafe(cancel(), self._loop)

    def end_process(self, address: str) -> None:
        """End a worker's process, soon."""
        self._tell([address], worker.leave)

    def collect(self, addresses: Collection[str]) -> None:
        """Give memory back there, soon."""
        self._tell(addresses, worker.collect)

    def close_sessions(self, run: str, addresses: Collection[str], *, wait: bool) -> None:
        """Close the sessions of a run on these workers."""
        told = self._tell(addresses, worker.close_run, run, wait=wait)
        if wait and told is not None and not _is_done(told, CLOSING_S):
            _log.warning("the dask workers did not close their sessions within %g s", CLOSING_S)

    def close(self, run: str, *, now: bool) -> None:
        """Leave the cluster, and end it where it is our own; `now`: its processes are killed."""
        self._done.set()
        if self._watcher is not None:
            awaited_end(self._watcher)
        if now and self._own is not None:
            self._tell([worker.worker_address for worker in self._own.workers.values()], worker.leave)
        for step in (lambda: self._client.unsubscribe_topic(run), self._client.close, self._close_own):
            try:
                step()
            except Exception as error:  # noqa: BLE001 - the last steps of a run: the others are still to be done
                _log.warning("the dask cluster could not be left properly: %r", error)

    def _close_own(self) -> None:
        if self._own is not None:
            self._own.close()

    def _tell(self, addresses: Collection[str], what: Callable[..., Any], *args: Any, wait: bool = False) -> Any:
        """Have workers do something outside of any task; those that are gone are passed over."""
        if not addresses:
            return None
        told = self._client.run(
            what, *args, workers=list(addresses), wait=wait, on_error="ignore", asynchronous=True
        )  # fmt: skip
        return asyncio.run_coroutine_threadsafe(_finish(told), self._loop)


def _is_done(answer: Future[Any], patience_s: float) -> bool:
    """Whether it comes within that time, in which Ctrl-C is heard on Windows as well."""
    return any(wait_for([answer], piece_s).done for piece_s in pieces_s(awake_s() + patience_s))


async def _finish(told: Any) -> None:
    await told


def _made(make: Callable[[], Any], hint: str) -> Any:
    try:
        return make()
    except Exception as error:  # dask raises errors of many kinds, its own and the system's
        raise SettingsError(f"executor: dask: {hint} ({words_of(error)})") from error


def _local(distributed: Any, processes: int, threads: int) -> Any:
    return distributed.LocalCluster(
        n_workers=processes,
        threads_per_worker=threads,
        processes=True,
        dashboard_address="127.0.0.1:0",  # None would take port 8787, and warn where that is taken
        scheduler_kwargs={"dashboard": False},
        preload=["orcabatch.engine.executors.dask.worker"],
        silence_logs=logging.CRITICAL,
    )


def _client(distributed: Any, where: Any) -> Any:
    return distributed.Client(where, timeout=CONNECT_S, set_as_default=False)


def _seen(address: str, worker: dict[str, Any]) -> Seen:
    metrics = worker.get("metrics") or {}
    return Seen(
        identity=f"{address} {worker.get('id')} {worker.get('nanny')} {worker.get('local_directory')}",
        address=address,
        name=str(worker.get("name", address)).rpartition("/")[2],
        threads=max(1, int(worker.get("nthreads") or 1)),
        limit_bytes=int(worker.get("memory_limit") or 0),
        held_bytes=int(metrics.get("memory") or 0),
        cpu_percent=float(metrics.get("cpu") or 0.0),
        open=worker.get("status") in {"running", "init"},
    )
