"""`orcabatch demo`: a small batch from generated files to results, compared with digitalmodel's own serial run.

Everything it shows is measured while it runs, over the simulated OrcaFlex; it says so. Where digitalmodel is not
installed, the same files go through a plain function, compared with calling that function in a loop.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orcabatch.batch import BatchResult, run_batch
from orcabatch.bench.examples import BATCHES, prepare
from orcabatch.cli import OK, SOME_FAILED
from orcabatch.errors import OutputError
from orcabatch.monitor.report import write_report
from orcabatch.settings import format_size
from orcabatch.sleep import awake_s

LATENCY_S = 0.1
"""What loading one of the small files costs beyond reading it, as from a network drive; said in the output."""


def main(words: list[str]) -> int:
    """Generate, run, compare, and say where everything is; 1 when anything differs or failed."""
    parser = argparse.ArgumentParser(prog="orcabatch demo", description=__doc__, allow_abbrev=False)
    parser.add_argument("--folder", type=Path, default=Path("orcabatch-demo"), help="default: ./orcabatch-demo")
    parser.add_argument("--quick", action="store_true", help="a third of the files")
    arguments = parser.parse_args(words)
    folder = arguments.folder.absolute()
    try:
        files = prepare(folder, quick=arguments.quick)
    except OSError as error:
        raise OutputError(
            f"The demo cannot be set up in {folder}: {error.strerror or error}. Give another place: --folder FOLDER."
        ) from error
    size = format_size(sum(file.stat().st_size for file in files))
    print(f"{len(files)} simulated .sim files ({size}) in {folder / 'sims'}")
    print(f"every load waits {LATENCY_S:g} s, as a slow drive would")
    with _slow_loads():
        if importlib.util.find_spec("digitalmodel") is None:
            return _plain(folder, files)
        return _digitalmodel(folder)


@contextmanager
def _slow_loads() -> Iterator[None]:
    """While it lasts, loading costs a latency, here and in the reference process."""
    from orcabatch import simulated

    before = dict(os.environ)
    os.environ.update(simulated.Costs(load_latency_s=LATENCY_S).to_env())
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _digitalmodel(folder: Path) -> int:
    """Both batches in one call, then digitalmodel's own loop over the same files."""
    from orcabatch.digitalmodel.prove import prove

    result = run_batch([folder / name for name in BATCHES], orcaflex="simulated", fresh=True)
    _say_done(result, folder)
    serial_s, same = 0.0, True
    for name in BATCHES:
        batch = {outcome.batch for outcome in result.outcomes if outcome.batch.startswith(Path(name).stem + "_03c")}
        results = next(path.parent for path in result.outputs if path.name.startswith(tuple(batch)))
        report = prove(results, files=sum(outcome.batch in batch for outcome in result.outcomes))
        serial_s += report.loop_s
        same &= report.equal
        print(
            f"{name}: {report.series} time series and {report.rows} rows "
            + ("equal byte for byte" if report.equal else report.to_text())
        )
    _say_compared("digitalmodel's own serial loop (without its imports)", serial_s, result.metrics["wall_s"])
    print(f"Go on in {folder}: orcabatch plan {BATCHES[0]} --fresh, orcabatch run {BATCHES[0]} --save summary.xlsx")
    return OK if same and result.ok else SOME_FAILED


def _plain(folder: Path, files: Sequence[Path]) -> int:
    """The same files through a plain function."""
    print("digitalmodel is not installed, so a plain function is run instead: pip install orcabatch[digitalmodel]")
    result = run_batch(files, postprocess=tensions, orcaflex="simulated", output_dir=folder / "results", fresh=True)
    _say_done(result, folder)
    begun = awake_s()
    alone = [_alone(tensions, file) for file in files]
    serial_s = awake_s() - begun
    same = alone == result.values
    print("values: " + ("equal bit for bit" if same else "DIFFERENT"))
    _say_compared("the same function in a plain loop", serial_s, result.metrics["wall_s"])
    return OK if same and result.ok else SOME_FAILED


def tensions(model: Any) -> dict[str, float]:
    """Largest and smallest effective tension at end A of four mooring lines, in kN; what a user's own looks like.

    Worker processes find it here by its name.
    """
    import OrcFxAPI

    found: dict[str, float] = {}
    for name in ("Line01", "Line02", "Line03", "Line04"):
        history = model[name].TimeHistory("Effective tension", OrcFxAPI.pnWholeSimulation, OrcFxAPI.oeEndA)
        found[f"{name}_max"] = float(history.max())
        found[f"{name}_min"] = float(history.min())
    return found


def _alone(function: Any, file: Path) -> Any:
    import OrcFxAPI

    return function(OrcFxAPI.Model(str(file), threadCount=1))


def _say_done(result: BatchResult, home: Path) -> None:
    done = sum(outcome.ok for outcome in result.outcomes)
    print(f"orcabatch: {done} of {len(result.outcomes)} files done in {result.metrics['wall_s']:.1f} s")
    for folder in sorted({path.parent for path in result.outputs}):
        print(f"  {sum(path.parent == folder for path in result.outputs)} files in {folder}")
    write_report(home / "report.html", result.metrics)
    print(f"report: {home / 'report.html'}")


def _say_compared(what: str, serial_s: float, own_s: float) -> None:
    print(f"{what}: {serial_s:.1f} s, orcabatch {own_s:.1f} s: {serial_s / own_s:.1f} times faster")
    print("Measured just now over the simulated OrcaFlex on this machine; your files, disk and licence decide yours.")
