"""The command line: `orcabatch demo | run | plan | verify | report | doctor | bench`.

Each command has a module of its own that reads its words and calls the library; what a command does stands there, what
it means stands in the rooms. Exit codes: 0 all good, 1 files failed (verify: it differs), 2 nothing could run or
be compared, 129 the terminal was closed, 130 interrupted by Ctrl-C, 141 nobody reads on, 143 asked to terminate.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from orcabatch.console import let_go_of_what_is_lost, reader_is_gone, survive_code_pages, takes_nothing
from orcabatch.errors import BatchError, BatchInterrupted, OrcabatchError
from orcabatch.garbage import uncollected

OK, SOME_FAILED, NOTHING_RAN, INTERRUPTED = 0, 1, 2, 130
READER_GONE = 141
"""As the shell says of a program that SIGPIPE ended."""

COMMANDS = {
    "demo": "generate a small simulated batch, run it, compare it with digitalmodel's serial run",
    "run": "run one or more digitalmodel YAMLs",
    "plan": "show what `run` would do, and why, without running anything",
    "verify": "compare two result folders, or prove a result on your own files",
    "report": "make an HTML report from a metrics file",
    "doctor": "look at this machine, OrcFxAPI and digitalmodel, and say what to mend",
    "bench": "measure on this machine what the documentation claims",
}


_SWALLOWS = re.compile(r'[^"]*[\\/][^"]*"[^"]*').fullmatch
"""What the C runtime of Windows makes of `"C:\\my sims\\" --save x.csv`: one word, with the closing mark in it."""


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    survive_code_pages()
    words = list(sys.argv[1:] if words is None else words)
    parser = _parser()
    if not words or words[0] in {"-h", "--help", "--version"}:
        parser.parse_args(words or ["--help"])
        return OK
    if words[0] not in COMMANDS:
        parser.error(f"there is no command {words[0]!r}; the commands are {', '.join(COMMANDS)}")
    code = OK
    try:
        code = _carry_out(words[0], words[1:])
    except SystemExit as refused:  # by the command's parser
        code = NOTHING_RAN if refused.code else OK
        raise
    finally:
        if code == NOTHING_RAN and (word := next(filter(_SWALLOWS, words), "")):
            _complain(
                f"{word} holds a quotation mark: on Windows a backslash before the closing one takes that, and what "
                "follows, into the name. Leave that backslash out."
            )
        let_go_of_what_is_lost()
    return code


def _carry_out(command: str, words: list[str]) -> int:
    """Run the command; what went wrong is said in one message, without a traceback unless `--debug` asks for it."""
    # Imported before it runs, not for `--help`: what is needed at its end is there by then.
    import logging
    import traceback

    from orcabatch.store.atomic import why
    from orcabatch.store.paths import check_working_folder

    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    logging.basicConfig(level=logging.DEBUG if debug else logging.ERROR, format="%(levelname)s %(name)s: %(message)s")
    try:
        check_working_folder()
        code = _module(command)(words)
        if sys.stdout is not None:  # as with pythonw
            sys.stdout.flush()
        return code
    except BatchInterrupted as stop:
        _complain(f"orcabatch {command}: {stop}")
        return 128 + stop.signum if stop.signum else INTERRUPTED
    except OrcabatchError as error:
        if debug:
            traceback.print_exc()
        _complain(f"orcabatch {command}: {error}")
        return SOME_FAILED if isinstance(error, BatchError) else NOTHING_RAN
    except KeyboardInterrupt as stop:
        _complain(f"orcabatch {command}: interrupted")
        # A run that several signals have made leave at once names the first of them.
        return next((128 + each for each in stop.args if isinstance(each, int)), INTERRUPTED)
    except UnicodeEncodeError as error:
        # A name of the user's, in a locale that has not its letters: every room would have to know of it.
        _complain(f"orcabatch {command}: {error.object!a} cannot be spelled: {why(error)}")
        return NOTHING_RAN
    except OSError as error:
        if (unsaid := _unsaid(command, error)) is None:
            raise
        return unsaid


def _unsaid(command: str, error: OSError) -> int | None:
    """The exit code where the error is of what the command says, not of what it does; else None."""
    if reader_is_gone(error):  # `orcabatch plan x.yml | head`: whoever read it has what he wanted
        return READER_GONE
    if not takes_nothing():
        return None
    _complain(f"orcabatch {command}: not all that it says could be written: {error.strerror}")
    return SOME_FAILED


def _complain(text: str) -> None:
    """Say what went wrong, where there is anybody to hear it; the exit code says it in any case."""
    with suppress(OSError):
        print(text, file=sys.stderr)


def _module(command: str) -> Callable[[list[str]], int]:
    """The command's `main`, imported only now: `orcabatch plan` should not wait for what `bench` needs."""
    with uncollected():
        found: Callable[[list[str]], int] = importlib.import_module(f"orcabatch.cli.{command}").main
    return found


def _parser() -> argparse.ArgumentParser:
    import orcabatch

    lines = "\n".join(f"  {name:8} {does}" for name, does in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="orcabatch",
        description="OrcaFlex post-processing of whole batches, fast, with the output of the serial run.",
        epilog=f"commands:\n{lines}\n\n`orcabatch COMMAND --help` says more about each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="orcabatch COMMAND ...",
    )
    parser.add_argument("--version", action="version", version=f"orcabatch {orcabatch.__version__}")
    return parser
