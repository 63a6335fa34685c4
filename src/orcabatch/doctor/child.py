"""What a child process of `orcabatch doctor --sim` does: some checks, one after the other, each told as it ends.

    stdin: one JSON object ── checks ──> stdout: a line of JSON for each, behind `MARK`; whatever else is printed is not

Started by `examination`. Where it dies, what it had begun is known from the last line.
"""

from __future__ import annotations

import faulthandler
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orcabatch.console import crash_without_a_dialog, leave_the_terminal_to_the_parent, survive_code_pages
from orcabatch.doctor import answers, models, threads
from orcabatch.doctor.assumptions import BY_NAME, Verdict
from orcabatch.doctor.contact import Answer, Contact
from orcabatch.orcaflex.binding import find_binding

MARK = "orcabatch-doctor:"
CHECKS = answers.CHECKS | models.CHECKS | threads.CHECKS


def main() -> None:
    """Answer the question on standard input."""
    survive_code_pages()
    leave_the_terminal_to_the_parent()
    crash_without_a_dialog()
    faulthandler.enable()
    question: dict[str, Any] = json.load(sys.stdin)
    files = tuple(Path(file) for file in question["files"])
    contact = Contact(find_binding(question["orcaflex"]), files, question["seats"])
    try:
        for name in question["names"]:
            _say({"begins": name})
            if not BY_NAME[name].loaded:
                contact.close()  # it makes models of its own, and one seat may be all there is
            _say({"ends": name, **asdict(_answer(contact, name))})
    finally:
        contact.close()


def _answer(contact: Contact, name: str) -> Answer:
    try:
        return CHECKS[name](contact)
    except contact.module.DLLError as error:
        said = " ".join(str(error).split())
        return Answer(Verdict.UNTOLD, f"OrcaFlex refused: {said}", {"status": int(error.status)})
    except Exception as error:  # noqa: BLE001 - whatever a binding of another version lacks is a finding of this check
        return Answer(
            Verdict.UNTOLD, f"the check failed: {type(error).__name__}: {error}", {"error": type(error).__name__}
        )


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(f"{MARK}{json.dumps(line)}\n")
    sys.stdout.flush()
