"""Facts to build on about OrcFxAPI: which assumption asks the DLL for each, or why none does.

In the order in which they were collected: the package, threads, loading and results, errors, running the binding
without the DLL, and what the broker relies on. What the binding does in Python is not the DLL's: the package itself is
what the tests run over.
"""

from __future__ import annotations

BINDING = "the binding's own Python, over which all tests run"

FACTS: dict[str, tuple[str, ...] | str] = {
    "calls release the GIL while the DLL works": ("lets_python_run",),
    "different threads may work on different models at the same time": ("models_independent", "models_parallel"),
    "a model belongs to the thread that made it; other threads are refused with status 68": ("foreign_calls",),
    "a model can be moved by DetachFromThread and AttachToThread": "nothing of orcabatch moves a model",
    "Model.__del__ destroys and swallows failures; on another thread it is refused": ("foreign_destroy",),
    "threadCount=1 keeps a model to one native thread": ("thread_count",),
    "Model(path) asks the file's type, LoadSimulation loads into an existing model": ("file_loads", "loads_again"),
    "an omitted threadCount means all cores; one each is asked for where files share them": ("few_threads",),
    "LoadSimulationMem loads from memory": "nothing of orcabatch uses it",
    "simulationComplete and the time status tell whether a run finished": ("completeness",),
    "a .sim file is data and a log, results are derived from the log each time": (
        "reads_at_once",
        "histories_repeat",
        "range_graphs_repeat",
    ),
    "TimeHistory, RangeGraph, LinkedStatistics, StaticResult answer what they are asked": (
        "histories_repeat",
        "range_graphs_repeat",
    ),
    "GetMultipleTimeHistories returns all in one call, (samples, n), in one pass over the log": (
        "joint_bits",
        "joint_cheaper",
    ),
    "one TimeHistory is about five small DLL calls": ("small_calls",),
    "model.objects and model[name] make calls and new objects on every access": BINDING,
    "hooks choose the class of each object": BINDING,
    "ObjectExtra, Period and ArclengthRange do not hash": BINDING,
    "errors carry a status number": ("statuses",),
    "a licence error wraps the licence manager's text": "it cannot be provoked without taking seats from others",
    "RegisterLicenceNotFoundHandler waits or gives up": "a licence cannot be lost on purpose",
    "how many seats threads and processes of a machine claim": ("seat_per_process",),
    "memory of a loaded file, and after clearing": ("memory_loaded", "memory_cleared"),
    "a file that is loaded or read can be opened by others": ("lets_file_go", "shares_file"),
    "objects from model[name] do not keep the model alive": BINDING,
    "oeLine takes the line point first, an ObjectExtra as range raises": BINDING,
    "variable and data names ignore case": ("case_ignored",),
    "the enumeration's callback gives handle, type and name, cut at 49 characters": ("enumeration_names",),
    "a name in an object's __dict__ is found before __getattr__": BINDING,
    "copies of an ObjectExtra leave its strings dangling": BINDING,
    "linked statistics, sample times and a model's state can be kept while its file is loaded": ("histories_repeat",),
    "a variable's number can be remembered": ("numbers_last",),
    "joint calls are skipped in the frequency domain": BINDING,
    "files stop at different times: periods are the code's own": "what the code asks with is used, nothing is assumed",
    "handles are a file's own; only those of General and Environment survive a load": ("old_handles",),
    "bool(model) calls the DLL": BINDING,
    "after a failed load the model is in an unknown state": "it is destroyed, nothing is assumed",
    "a destroyed model must not be destroyed again": BINDING,
    "only successes are remembered": "nothing is assumed of failures",
}
