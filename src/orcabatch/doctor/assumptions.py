"""Every assumption about OrcaFlex's DLL, once, as data: its name, what relies on it, what is switched off.

What asks OrcaFlex stands in `answers`, `models` and `threads`, by the assumption's name (`CHECKS`): every run reads the
data, only the doctor's child processes need those.

What a run switches off are settings (`off`), so that they can be pasted into a YAML as well, and `apart`: that no
process has two models, which is `executor: processes` with one thread each where a batch may go there, else `serial`.
`docs/how-to/first-contact.md` shows the table to users; a test compares it with the list of facts about OrcFxAPI.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

Apart = Literal["", "faster", "needed"]
"""Whether no process should have two models: no; where that costs a batch nothing; in any case."""


@dataclass(frozen=True, slots=True)
class Assumption:
    """One assumption.

    Attributes:
        name: how verdicts and files call it.
        says: what is assumed.
        relied_on: what relies on it.
        off: settings that a run takes over where it does not hold.
        apart: whether models are kept apart there.
        decides: numbers may be wrong where it does not hold: results that were kept before are not used.
        loaded: the check asks the model that its neighbours with this mark ask; else it has a child of its own.
        seats: licence seats that the check takes at once.
        disturbs: it could disturb the DLL or colleagues, so that it is only done where asked.
    """

    name: str
    says: str
    relied_on: str
    off: Mapping[str, Any] = field(default_factory=dict)
    apart: Apart = ""
    decides: bool = False
    loaded: bool = False
    seats: int = 1
    disturbs: bool = False


class Verdict(StrEnum):
    """What became of an assumption."""

    HOLDS = "holds"
    BROKEN = "does not hold"
    UNTOLD = "cannot be told"


ASSUMPTIONS = (
    Assumption(
        "file_loads",
        "a .sim file loads into an empty model",
        "everything",
        loaded=True,
    ),
    Assumption(
        "joint_bits",
        "GetMultipleTimeHistories gives the bits of the single time histories",
        "joint requests",
        {"broker.prefetch": False},
        decides=True,
        loaded=True,
    ),
    Assumption(
        "joint_cheaper",
        "one joint call costs less than the single calls that it replaces",
        "joint requests",
        {"broker.prefetch": False},
        loaded=True,
    ),
    Assumption(
        "histories_repeat",
        "histories, sample times, static results and linked statistics are the same when asked again, in any order",
        "answers from memory, kept results, every proof",
        {"broker.enabled": False},
        decides=True,
        loaded=True,
    ),
    Assumption(
        "range_graphs_repeat",
        "a range graph is the same when asked again",
        "answers from memory, kept results, every proof",
        {"broker.enabled": False},
        decides=True,
        loaded=True,
    ),
    Assumption(
        "numbers_last",
        "a variable's number lasts as long as its file is loaded",
        "answers from memory ask for it once",
        {"broker.enabled": False},
        decides=True,
        loaded=True,
    ),
    Assumption(
        "enumeration_names",
        "one enumeration gives all objects with their types and own names",
        "objects and names from memory",
        {"broker.enabled": False},
        decides=True,
        loaded=True,
    ),
    Assumption(
        "case_ignored",
        "names of objects and variables ignore case",
        "the simulated OrcaFlex, and what the check of a YAML calls misspelt",
        loaded=True,
    ),
    Assumption(
        "small_calls",
        "a small call takes microseconds",
        "what the documentation says of the cost of many calls",
        loaded=True,
    ),
    Assumption(
        "thread_count",
        "a model keeps to the threads that were asked for",
        "the count of files at once: workers x native threads stay within cpu_percent",
        loaded=True,
    ),
    Assumption(
        "completeness",
        "a simulation calls itself complete where it reached its end, and only there",
        "warnings of partial simulations",
    ),
    Assumption(
        "statuses",
        "what is not there is refused with the known status numbers",
        "what an error is called, and whether trying again may help",
        {"retries": 0},
    ),
    Assumption(
        "loads_again",
        "a model that has held a file before answers as Model(path) does",
        "a worker's native model is used for file after file",
        {"reuse_models": False},
        decides=True,
    ),
    Assumption(
        "few_threads",
        "a model with one thread answers as one with all cores does",
        "models get one thread each, or few, where files are worked on side by side",
        {"native_threads": "all"},
        decides=True,
    ),
    Assumption(
        "memory_loaded",
        "a loaded file takes at most 1.5 times its size",
        "what memory is reserved for a file that was never run",
    ),
    Assumption(
        "memory_cleared",
        "clearing a model gives its memory back",
        "a cleared model waits for the next file without a reservation",
        {"reuse_models": False},
    ),
    Assumption(
        "reads_at_once",
        "a load reads the whole file, results read nothing more",
        "reading the next files ahead",
        {"io.read_ahead": 0},
    ),
    Assumption(
        "lets_file_go",
        "a file is closed once it is loaded",
        "copies of inputs are deleted, outputs beside inputs renamed",
        {"io.stage_inputs": False},
    ),
    Assumption(
        "shares_file",
        "a file loads while somebody reads it",
        "reading the next files ahead",
        {"io.read_ahead": 0},
    ),
    Assumption(
        "lets_python_run",
        "other threads run while a file is loaded",
        "threads as workers",
        apart="faster",
    ),
    Assumption(
        "models_independent",
        "models on different threads answer as each would alone",
        "threads as workers",
        apart="needed",
        decides=True,
        seats=2,
    ),
    Assumption(
        "models_parallel",
        "files on different threads load beside each other",
        "threads as workers",
        apart="faster",
        seats=2,
    ),
    Assumption(
        "seat_per_process",
        "one licence seat is enough for all models of a process",
        "licences.max counts processes (licences.scope: process)",
        {"licences.scope": "model"},
        seats=2,
        disturbs=True,
    ),
    Assumption(
        "old_handles",
        "objects of an earlier file are refused after the next load",
        "a model that holds another file cannot be asked by mistake",
        {"reuse_models": False},
        decides=True,
        disturbs=True,
    ),
    Assumption(
        "foreign_calls",
        "a call from another thread than the model's is refused with status 68",
        "what a function's own threads are told",
        disturbs=True,
    ),
    Assumption(
        "foreign_destroy",
        "a model cannot be destroyed from another thread, and stays usable",
        "models that a function leaves behind are destroyed on their own thread only",
        apart="needed",
        disturbs=True,
    ),
)

BY_NAME = {each.name: each for each in ASSUMPTIONS}
