"""`orcabatch doctor [FILE.yml ...]`: the machine, OrcFxAPI, digitalmodel, disks; and what to mend."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from orcabatch.cli.checks import Check, Level, shown
from orcabatch.cli.checks_digitalmodel import check_digitalmodel
from orcabatch.cli.checks_disk import check_inputs, check_output, check_temporary
from orcabatch.cli.checks_host import check_host
from orcabatch.cli.checks_ledger import check_ledger
from orcabatch.cli.checks_orcaflex import check_orcaflex
from orcabatch.errors import SettingsError, SourceError
from orcabatch.host import HostResources, ResourceManager

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
        epilog="Exit code 0: a batch can run; 2: something has to be mended first. Of .sim files one per folder is "
        "read in part, for its speed; something is written to the temporary folder only, and taken away. "
        "--debug shows tracebacks.",
    )
    parser.add_argument("yamls", nargs="*", type=Path, metavar="FILE.yml", help="also look at these batches' folders")
    parser.add_argument(
        "--orcaflex", choices=["real", "simulated"], default="real", help="which OrcaFlex; default real"
    )
    parser.add_argument("--no-licence", action="store_true", help="do not take a licence seat for a moment")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _checks(arguments: argparse.Namespace) -> Iterator[Check]:
    host = ResourceManager().measure()
    yield from check_host(host)
    yield from check_orcaflex(arguments.orcaflex, licence=not arguments.no_licence)
    yield from check_digitalmodel()
    yield check_temporary(host)
    yield from check_ledger()
    for file in arguments.yamls:
        yield from _batch(host, file)


def _batch(host: HostResources, file: Path) -> Iterator[Check]:
    from orcabatch.digitalmodel.configuration import load_configuration
    from orcabatch.settings import parse_settings

    try:
        configuration = load_configuration(file)
        settings = parse_settings(configuration.performance, origin=str(file))
    except (SourceError, SettingsError) as error:
        yield Check(str(file), str(error), Level.MEND)
        return
    yield from check_inputs(host, configuration.files)
    yield check_output(host, configuration.result_folder)
    if settings.ledger.path is not None:
        yield from check_ledger(settings.ledger.path)
