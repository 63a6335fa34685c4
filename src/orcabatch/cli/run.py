"""`orcabatch run FILE.yml ... [key=value ...]`, or `orcabatch run --postprocess module:function FILES ...`."""

from __future__ import annotations

import argparse
import glob
import logging
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from orcabatch.batch import BatchResult, carry_out
from orcabatch.batch.named_files import SIM
from orcabatch.batch.readers import read_request, readers
from orcabatch.batch.request import Options, Request
from orcabatch.cli import NOTHING_RAN, OK, SOME_FAILED
from orcabatch.cli.named_function import named_function
from orcabatch.cli.overrides import parse_overrides
from orcabatch.errors import BatchError, BatchInterrupted, OutputError, SettingsError, SourceError
from orcabatch.network import amiss
from orcabatch.notice import CHECK_MARK
from orcabatch.outcome import Cause, Status
from orcabatch.results.result import failure_text, warnings_text
from orcabatch.sleep import awake_s
from orcabatch.store.atomic import check_place, remove
from orcabatch.text import duration, plural, words_of
from orcabatch.win32 import is_folder, is_there

_NAMED = 6
"""Output files of a folder that are named: more fill the screen, fewer leave out what `--save` has just made."""

_WHAT = {
    "run": "Runs one or more digitalmodel YAMLs under one budget of CPUs, memory and licences; or a function of yours "
    "over .sim files, folders and patterns.",
    "plan": "Shows what `run` would do, and why; runs nothing and makes no folder.",
}


def main(words: list[str]) -> int:
    """Run the batch and say where everything is; 1 when files failed."""
    began = awake_s()
    arguments, files, overrides = understood("run", words)
    if arguments.verbose:
        logging.getLogger("orcabatch").setLevel(logging.DEBUG)
    if arguments.report:
        check_place(arguments.report)
    request = request_of(files, arguments, overrides)
    try:
        result = carry_out(
            request,
            progress=_progress(arguments),
            save=arguments.save,
            report=arguments.report,
            in_terminal=True,
        )
    except (BatchError, BatchInterrupted) as error:
        with suppress(OSError):  # of a terminal that is gone: how the run ended is more than that
            if error.result is not None and not arguments.quiet:
                print("".join(f"{line}\n" for line in _of_the_run(error.result)), end="")
        with suppress(OSError):
            _report(arguments.report, error.result)
        raise
    try:
        _say(arguments, result, awake_s() - began)
    finally:  # else the page says for ever that the run goes on
        written = _report(arguments.report, result)
    return exit_code(result) if written else max(exit_code(result), SOME_FAILED)


def _say(arguments: argparse.Namespace, result: BatchResult, elapsed_s: float) -> None:
    if not arguments.quiet:
        print(summary(result, elapsed_s))
        if arguments.postprocess and not arguments.save and any(value is not None for value in result.values):
            print("note: what the function returned is not kept; --save results.parquet (.csv, .xlsx) saves it")
        return
    for line in (*_suspicious(result), *_of_files(result, retries=False)):
        print(line, file=sys.stderr)
    if result.failed:
        print(failure_text(result.failed, len(result.outcomes)), file=sys.stderr)


def _report(target: Path | None, result: BatchResult | None) -> bool:
    """Write the report that was asked for, however the run ended; False where it could not be, which is said."""
    if target is None or result is None:
        return True
    try:
        from orcabatch.monitor.report import write_report  # imported since the run began, for the report as it goes

        write_report(target, result.metrics)
    except Exception as error:  # noqa: BLE001 - the results are there, and what is shown of them costs only itself
        said = f"{words_of(error)}"
        with suppress(OutputError):
            remove(target)  # what stands there says that the run goes on
        print(f"orcabatch run: the report is not written: {said}. The results are not concerned.", file=sys.stderr)
        return False
    print(f"report: {target.absolute()}")
    return True


def exit_code(result: BatchResult) -> int:
    """0 where every file has results; 2 where no file had a licence, so nothing could run; else 1."""
    if result.ok:
        return OK
    return NOTHING_RAN if all(outcome.cause is Cause.LICENCE for outcome in result.outcomes) else SOME_FAILED


def _progress(arguments: argparse.Namespace) -> bool | str | None:
    """Silent, the dashboard, or whatever suits the terminal."""
    if arguments.quiet:
        return False
    return "live" if arguments.live else None


def understood(command: str, words: Sequence[str]) -> tuple[argparse.Namespace, list[Path], dict[str, Any]]:
    """Our own options, the files, and what the other words change in their YAML.

    Raises:
        SettingsError: words that mean nothing.
        SourceError: no file is named.
    """
    parser = options_parser(command)
    arguments, rest = parser.parse_known_args(list(words))
    suffixes = {suffix for reader in readers() for suffix in reader.suffixes}
    if arguments.postprocess:
        suffixes |= {SIM}
    names = [word for word in rest if "=" not in word or is_there(word)]  # as in the name of a folder, `Hs=2`
    files = [Path(word) for word in names if _names_files(word, suffixes, arguments.postprocess)]
    others = [word for word in rest if word not in names or Path(word) not in files]
    _check_strays(others, arguments.postprocess)
    ours = [option for action in parser._actions for option in action.option_strings]
    overrides = parse_overrides(others, options=ours)
    for note in overrides.notes:
        print(note)
    if not files and arguments.postprocess:
        raise SourceError(
            f"name the .sim files, a folder of them, or a pattern: `orcabatch {command} --postprocess "
            f"{arguments.postprocess} sims`"
        )
    if not files:
        raise SourceError(f"name at least one YAML file: `orcabatch {command} dm_fsts.yml`")
    return arguments, files, dict(overrides.mapping)


def _names_files(word: str, suffixes: Collection[str], postprocess: str | None) -> bool:
    """Whether a word of the command line is a file; with a function, also a folder or a pattern."""
    if Path(word).suffix.lower() in suffixes:
        return True
    return bool(postprocess) and (is_folder(word) or glob.has_magic(word)) and not word.startswith(("{", "--"))


def _check_strays(words: Sequence[str], postprocess: str | None) -> None:
    """Refuse words that were meant to name files and name none that can be run.

    Raises:
        SourceError: with a function what is no `.sim` file, folder or pattern; without one what is.
    """
    behind_section = False
    for word in words:
        if word.startswith("--"):
            behind_section = "=" not in word
        elif word.lstrip().startswith("{"):
            behind_section = False
        elif "=" not in word and not behind_section:
            if postprocess:
                instead = "Name .sim files, a folder of them, or a pattern."
                if is_there(word):
                    raise SourceError(f"{word} is neither a .sim file nor a folder. {instead}")
                raise SourceError(amiss(word, f"{word} does not exist. {instead}"))
            if is_folder(word) or Path(word).suffix.lower() == SIM:
                raise SourceError(
                    f"{word} is no YAML. A function of yours runs over it with `--postprocess module:function`; "
                    "digitalmodel's post-process takes a YAML that names the files."
                )


def options_parser(command: str) -> argparse.ArgumentParser:
    """What `run` and `plan` understand themselves."""
    parser = argparse.ArgumentParser(
        prog=f"orcabatch {command}",
        usage=f"orcabatch {command} FILE.yml [FILE2.yml ...] [key=value ...] [options]",
        description=_WHAT[command],
        epilog="key=value changes the YAML, as digitalmodel's own command line does: "
        "performance.threading.max_threads=8, \"{'meta': {'label': '03c'}}\", --workers 30. --debug shows tracebacks.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--postprocess",
        metavar="MODULE:FUNCTION",
        help="a function of yours, f(model), over .sim files, folders, patterns",
    )
    parser.add_argument(
        "--function-version",
        metavar="TEXT",
        help="keep the function's results for later runs, until its code or this text changes",
    )
    cases = "load cases: a pattern with named groups over file names, or a .csv or .xlsx with a column `file`"
    parser.add_argument("--cases", metavar="CASES", help=cases)
    parser.add_argument("--orcaflex", choices=["real", "simulated"], help="which OrcaFlex; default: what the YAML says")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="where results go; default: where the YAML says")
    parser.add_argument("--fresh", action="store_true", help="use no results of earlier runs")
    parser.set_defaults(planning=command != "run")
    if command == "run":
        parser.add_argument(
            "--report",
            type=_placed,
            metavar="HTML",
            help="write a report, from the start on, that shows the run as it goes",
        )
        save = "write the results as one table, .parquet, .csv, .xlsx: a function's as files end, a YAML's at the end"
        parser.add_argument("--save", type=_placed, metavar="FILE", help=save)
        parser.add_argument("--live", action="store_true", help="a dashboard instead of a progress bar")
        quiet = "print nothing but errors, and what makes a number suspicious"
        parser.add_argument("--quiet", action="store_true", help=quiet)
        parser.add_argument("--verbose", action="store_true", help="show what digitalmodel prints and logs")
    if command == "plan":
        parser.add_argument(
            "--write", type=Path, metavar="YML", help="write the section performance: with what was learned"
        )
    return parser


def _placed(word: str) -> Path:
    """Absolute now: it is written in the end, and a function may leave another working directory behind."""
    return Path(word).absolute()


def request_of(files: Sequence[Path], arguments: argparse.Namespace, overrides: dict[str, Any]) -> Request:
    """The request that the words make.

    Raises:
        SourceError: the function cannot be found.
        SettingsError: key=value changes what nobody reads, or a version stands for a function, and none is named.
    """
    if arguments.function_version is not None and not arguments.postprocess:
        raise SettingsError("--function-version is about a function, and none is named. Name it with --postprocess.")
    performance = overrides.get("performance")
    asked = performance.get("orcaflex") if isinstance(performance, dict) else None
    simulated = "simulated" in {arguments.orcaflex, str(asked)}
    options = Options(
        postprocess=named_function(arguments.postprocess, simulated=simulated) if arguments.postprocess else None,
        cases=arguments.cases,
        orcaflex=arguments.orcaflex,
        output_dir=arguments.output,
        fresh=arguments.fresh,
        overrides=overrides,
        planning=arguments.planning,
        version=arguments.function_version,
        check="strict",
    )
    return read_request(list(files), options)


def summary(result: BatchResult, took_s: float) -> str:
    """What was done, what failed and why, and where everything is; `took_s` is the wall time of the command."""
    done = sum(outcome.ok for outcome in result.outcomes)
    known = sum(outcome.status is Status.SKIPPED for outcome in result.outcomes)
    lines = [f"{done} of {len(result.outcomes)} files done in {duration(took_s)}."]
    are = "is" if known == 1 else "are"
    lines += [f"{known} of them {are} unchanged since an earlier run (--fresh does them again)."] if known else []
    lines += _of_the_run(result)
    lines += _of_files(result)
    if result.failed:
        lines.append(failure_text(result.failed, len(result.outcomes)))
    return "\n".join([*lines, *_places(result.outputs)])


def _places(outputs: Collection[Path]) -> list[str]:
    """Where the outputs are, folder by folder; named where they are few, as the tables of `--save`."""
    folders: dict[str, list[str]] = {}
    for path in outputs:
        folders.setdefault(str(path.parent), []).append(path.name)
    return [
        f"{plural(len(names), 'output file')} in {folder}" + (f": {', '.join(names)}" if len(names) <= _NAMED else "")
        for folder, names in sorted(folders.items())
    ]


def _suspicious(result: BatchResult) -> list[str]:
    """What makes a number suspicious, of the run as a whole: what digitalmodel did silently, what the check found."""
    findings = (warning for warning in result.warnings if warning.startswith(CHECK_MARK))
    return [f"! {said}" for said in (*result.notices, *findings)]


def _of_the_run(result: BatchResult) -> list[str]:
    return [
        *_suspicious(result),
        *(f"note: {warning}" for warning in result.warnings if not warning.startswith(CHECK_MARK)),
    ]


def _of_files(result: BatchResult, *, retries: bool = True) -> list[str]:
    return [f"note: {warning}" for warning in warnings_text(result.outcomes, retries=retries)]
