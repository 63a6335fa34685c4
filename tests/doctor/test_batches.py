"""A digitalmodel batch under an OrcaFlex with something broken writes what digitalmodel's loop does there.

Reference and batch see the same broken simulated DLL; the verdict is what the doctor finds of it.
"""

from __future__ import annotations

import shutil

import pytest

import orcabatch
from docs_pages import ROOT
from orcabatch import simulated
from orcabatch.digitalmodel.proof_input import read_proof_input
from orcabatch.digitalmodel.prove import run_reference
from orcabatch.doctor.assumptions import Verdict
from orcabatch.doctor.verdicts import forget_verdicts
from orcabatch.store.compare import compare_folders

from .conftest import asked, kept
from .test_assumptions import CASES, Case

pytest.importorskip("digitalmodel", reason="needs digitalmodel itself: install orcabatch[digitalmodel]")

NAME = "dm_fsts.yml"
SHOWN = ("numbers_last", "enumeration_names")
"""Those that a run which does not know of them shows in its files; the others bend a last digit, which is rounded."""
IN_THE_GATE = SHOWN[0]


def cases() -> list:
    """Those that decide values: those shown always, the others on demand."""
    return [
        pytest.param(case, id=str(case), marks=() if case.name == IN_THE_GATE else pytest.mark.long)
        for case in CASES
        if case.differs
    ]


@pytest.mark.parametrize("case", cases())
def test_what_a_batch_writes_is_what_digitalmodels_loop_writes(case: Case, broken, tmp_path):
    """Byte for byte, all files of the result folder."""
    shutil.copyfile(ROOT / "examples" / NAME, tmp_path / NAME)
    (tmp_path / "sims").mkdir()
    files = [
        simulated.write_sim(
            tmp_path / "sims" / f"fsts_l015_hwl_ncl_000deg_seed{number:02d}.sim",
            simulated.SimSpec(
                objects=simulated.mooring_objects(8), stop_time_s=20.0 + number, size_bytes=200_000, seed=number
            ),
        )
        for number in range(3)
    ]
    broken(**case.costs)
    answer = asked(case.name, files[0])
    assert answer.verdict is Verdict.BROKEN, answer.said

    def run(name: str, **performance):
        return orcabatch.run_batch(
            tmp_path / NAME, orcaflex="simulated", progress=False, fresh=True, output_dir=tmp_path / name,
            performance=performance,
        )  # fmt: skip

    kept(case.name, answer)
    assert run("followed", executor="threads").ok
    batch = read_proof_input(tmp_path / "followed")
    (tmp_path / "reference").mkdir()
    [reference] = run_reference(batch, batch.files, tmp_path / "reference").folders
    found = compare_folders(tmp_path / "followed", reference)
    assert found.equal, found.to_text()
    if case.name in SHOWN:
        forget_verdicts()
        run("unaware", executor="serial")
        assert not compare_folders(tmp_path / "unaware", reference).equal
