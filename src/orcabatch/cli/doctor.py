"""`orcabatch doctor [FILE.yml ...]`: the machine, OrcFxAPI, digitalmodel, disks; and what to mend."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from orcabatch.cli.checks import Check, Level, shown
from orcabatch.cli.checks_machine import check_host, check_inputs, check_ledger, check_output, check_temporary
from orcabatch.cli.checks_software import check_digitalmodel, check_orcaflex
from orcabatch.errors import SettingsError, SourceError
from orcabatch.host import HostResources, ResourceManager

if TYPE_CHECKING:
    from orcabatch.digitalmodel.configuration import Configuration
    from orcabatch.settings import Settings

OK, TO_MEND = 0, 2


def main(words: list[str]) -> int:
    """Look and say; 0 where a batch can run, 2 where something has to be mended first."""
    arguments = _parser().parse_args(words)
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
    return parser


def _checks(arguments: argparse.Namespace) -> Iterator[Check]:
    host = ResourceManager().measure()
    yield from check_host(host)
    batches = {file: _read(file) for file in arguments.yamls}
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
