"""`orcabatch doctor [FILE.yml ...]`: the machine, OrcFxAPI, digitalmodel, disks; and what to mend.

With `--sim FILE.sim ...` it asks OrcaFlex, over these files, whether what is assumed of it holds (`orcabatch.doctor`).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from orcabatch.batch.named_files import named_files
from orcabatch.cli.checks import Check, Level, shown
from orcabatch.cli.checks_machine import check_host, check_inputs, check_ledger, check_output, check_temporary
from orcabatch.cli.checks_software import check_digitalmodel, check_orcaflex
from orcabatch.doctor.assumptions import BY_NAME, Verdict
from orcabatch.doctor.examination import Examination, examine
from orcabatch.doctor.shown import account, advice, as_json, table
from orcabatch.doctor.verdicts import forget_verdicts, keep_verdicts
from orcabatch.errors import OrcaFlexUnavailable, SettingsError, SourceError
from orcabatch.host import HostResources, ResourceManager
from orcabatch.orcaflex.binding import find_binding
from orcabatch.orcaflex.sim_files import check_loadable
from orcabatch.store.atomic import check_place, write_bytes
from orcabatch.store.paths import what_cannot_be_read_is_said
from orcabatch.win32 import is_folder

if TYPE_CHECKING:
    from orcabatch.digitalmodel.configuration import Configuration
    from orcabatch.settings import Settings

OK, TO_MEND = 0, 2


def main(words: list[str]) -> int:
    """Look and say; 0 where a batch can run, 2 where something has to be mended first."""
    parser = _parser()
    arguments = parser.parse_args(words)
    if arguments.forget:
        known = forget_verdicts()
        print("What earlier examinations found is forgotten." if known else "There was nothing to forget.")
        if not arguments.sim:
            return OK
    if arguments.sim:
        return _first_contact(arguments)
    if arguments.all or arguments.write or arguments.seats != 1:
        parser.error("--all, --seats and --write go with --sim FILE.sim")
    checks = list(_checks(arguments))
    print(json.dumps([check.to_dict() for check in checks], indent=2) if arguments.json else shown(checks))
    return TO_MEND if any(check.level is Level.MEND for check in checks) else OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="orcabatch doctor",
        usage="orcabatch doctor [FILE.yml ...] [options]",
        description="Looks at this machine, OrcFxAPI and its DLL, the licence, digitalmodel, disks and ledger, and "
        "says what to mend.",
        epilog="Exit code 0: a batch can run; 2: something has to be mended first. Of .sim files one per folder is "
        "read in part, for its speed; something is written to the temporary folder, an empty file to the result "
        "folders, and taken away. "
        "--debug shows tracebacks.",
    )
    parser.add_argument("yamls", nargs="*", type=Path, metavar="FILE.yml", help="also look at these batches' folders")
    parser.add_argument(
        "--orcaflex", choices=["real", "simulated"], help="which OrcaFlex; default: what the YAMLs say, else real"
    )
    parser.add_argument("--no-licence", action="store_true", help="do not take a licence seat for a moment")
    parser.add_argument("--json", action="store_true", help="print JSON")
    contact = parser.add_argument_group("first contact with a real OrcaFlex, instead of the rest")
    contact.add_argument(
        "--sim",
        nargs="+",
        type=Path,
        metavar="FILE.sim",
        help="ask OrcaFlex over these files whether what is assumed of it holds; reads only, in seconds",
    )
    contact.add_argument("--seats", type=_count, default=1, metavar="N", help="licence seats it may take; default 1")
    contact.add_argument("--all", action="store_true", help="also what could disturb OrcaFlex or colleagues")
    contact.add_argument("--write", type=Path, metavar="JSON", help="write what was found, without any of your names")
    contact.add_argument("--timeout", type=_count, default=120, metavar="S", help="for each check; default 120 seconds")
    contact.add_argument("--forget", action="store_true", help="forget what earlier examinations found")
    return parser


def _warn(text: str) -> None:
    print(text, file=sys.stderr)


def _count(word: str) -> int:
    if not word.isdigit() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is no number from 1 on")
    return int(word)


def _first_contact(arguments: argparse.Namespace) -> int:
    """Ask OrcaFlex, show and keep what was found; 2 where the file does not load."""
    if arguments.write:
        check_place(arguments.write)  # else what was found in minutes would be neither written nor kept
    if arguments.yamls:
        raise SourceError("--sim takes .sim files only; look at a YAML without it")
    with what_cannot_be_read_is_said():
        files = tuple(file.absolute() for file in named_files(arguments.sim, _warn))
    for file in files:
        check_loadable(file)
    binding = find_binding(arguments.orcaflex or "real")
    if not binding.is_genuine:
        raise OrcaFlexUnavailable("the OrcFxAPI that is there is a stub: there is nothing to be asked")
    asked = Examination(files, binding.kind.value, arguments.seats, arguments.all, arguments.timeout)
    found = examine(asked, lambda name: print(f"asking: {BY_NAME[name].says}", file=sys.stderr, flush=True))
    content = account(binding, ResourceManager().measure(), found)
    if arguments.json:
        print(as_json(content), end="")
    else:
        print(f"OrcaFlex: {binding.kind}, OrcFxAPI {binding.version}, DLL {binding.dll_version}\n\n{table(found)}")
        if advised := advice(found):
            print(f"\nRuns on this host follow that by themselves. For others, as settings:\n\n{advised}")
    if arguments.write:
        print(f"\nThis is written to {arguments.write}, and nothing else:\n\n{as_json(content)}", end="")
    if sys.stdout is not None:  # what nobody has been shown is neither kept nor written
        sys.stdout.flush()
    if arguments.write:
        write_bytes(arguments.write, as_json(content).encode())
    keep_verdicts(binding, found)
    return OK if found[0].verdict is Verdict.HOLDS else TO_MEND


def _checks(arguments: argparse.Namespace) -> Iterator[Check]:
    host = ResourceManager().measure()
    yield from check_host(host)
    with what_cannot_be_read_is_said():  # of a folder `_read` says that it is one
        named = [
            file for word in arguments.yamls for file in ([word] if is_folder(word) else named_files([word], _warn))
        ]
    batches = {file: _read(file) for file in named}
    asked = {batch[1].orcaflex for batch in batches.values() if isinstance(batch, tuple)}
    said: Literal["real", "simulated"] = "simulated" if asked == {"simulated"} else "real"
    yield from check_orcaflex(arguments.orcaflex or said, licence=not arguments.no_licence)
    yield from check_digitalmodel()
    yield check_temporary(host)
    for file, batch in batches.items():
        yield from _batch(host, batch) if isinstance(batch, tuple) else [Check(str(file), batch, Level.MEND)]
    yield from check_ledger()


def _read(file: Path) -> tuple[Configuration, Settings] | str:
    """The batch of a YAML, or what is wrong with it."""
    from orcabatch.digitalmodel.configuration import load_configuration
    from orcabatch.settings import parse_settings

    try:
        configuration = load_configuration(file)
        return configuration, parse_settings(configuration.performance, origin=str(file))
    except (SourceError, SettingsError) as error:
        return str(error)


def _batch(host: HostResources, batch: tuple[Configuration, Settings]) -> Iterator[Check]:
    configuration, settings = batch
    yield from check_inputs(host, configuration.files)
    yield check_output(host, configuration.result_folder)
    if settings.ledger.path is not None:
        yield from check_ledger(settings.ledger.path)
