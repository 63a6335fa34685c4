"""A post-process package that nobody has heard of: a module of its own, and a line in the list of readers."""

from __future__ import annotations

import pytest

import extremes_package
import orcabatch
from orcabatch import cli
from orcabatch.batch import readers
from orcabatch.batch.request import Options


@pytest.fixture
def asked(tmp_path, sims, monkeypatch):
    """A file of the package's own, and the package among the readers."""
    monkeypatch.setattr(readers, "READERS", ["extremes_package", *readers.READERS])
    path = tmp_path / "winter.extremes"
    path.write_text("# results: out\n" + "".join(f"sims/{sim.name}: Line01, Line02\n" for sim in sims))
    return path


def run(path, **performance):
    """A silent run over the simulated OrcaFlex."""
    return orcabatch.run_batch(path, orcaflex="simulated", progress=False, performance=performance)


def plain_loop(sims):
    """What the package would compute file after file."""
    import OrcFxAPI

    found = []
    for sim in sims:
        model = OrcFxAPI.Model(str(sim), threadCount=1)
        found.append(
            {
                name: float(
                    model[name].TimeHistory("Effective tension", OrcFxAPI.pnWholeSimulation, OrcFxAPI.oeEndA).max()
                )
                for name in ("Line01", "Line02")
            }
        )
    return found


@pytest.mark.parametrize("executor", ["serial", "threads", "processes"])
def test_its_batches_run_on_every_executor(orcaflex, asked, sims, tmp_path, executor):
    """Its own source files, output names and fold; planned, run, locked and measured as digitalmodel's are."""
    plan = orcabatch.plan_batch(asked, orcaflex="simulated")
    assert [file.file.name for file in plan.files] == [sim.name for sim in sims]
    assert not (tmp_path / "out").exists()
    result = run(asked, executor=executor, process_count=2, ledger={"enabled": False})
    alone = plain_loop(sims)
    assert [value["largest"] for value in result.values] == alone
    assert [path.name for path in result.outputs] == ["winter_all.txt", "performance_metrics.json"]
    for sim, values in zip(sims, alone, strict=True):
        lines = "".join(f"{name} {value!r}\n" for name, value in values.items())
        assert (tmp_path / "out" / f"winter_{sim.stem}.txt").read_text() == lines
    most = {name: max(values[name] for values in alone) for name in ("Line01", "Line02")}
    assert (tmp_path / "out" / "winter_all.txt").read_text() == "".join(f"{k} {v!r}\n" for k, v in most.items())


def test_its_results_are_kept_and_its_words_say_why_one_is_done_again(orcaflex, asked, sims, tmp_path):
    """What determines a result is the package's to say, and what belongs to it; so are the words for what changed."""
    assert len(run(asked).outcomes) == len(sims)
    again = run(asked)
    assert {outcome.status.value for outcome in again.outcomes} == {"skipped"}
    (tmp_path / "out" / f"winter_{sims[1].stem}.txt").unlink()
    lines = asked.read_text().splitlines()
    lines[1] = lines[1].replace("Line01, Line02", "Line02")
    asked.write_text("\n".join(lines))
    changed = run(asked)
    assert [outcome.status.value for outcome in changed.outcomes] == ["ok", "ok", *["skipped"] * (len(sims) - 2)]
    assert any("other objects are asked for" in warning for warning in changed.warnings)
    assert any(sims[0].name in warning for warning in changed.warnings)


def test_an_interrupted_run_leaves_the_fold_of_the_whole_one_before(orcaflex, asked, tmp_path):
    """Of the files that had ended alone, it would pass for that of all."""
    outcomes, fold = run(asked).outcomes, tmp_path / "out" / "winter_all.txt"
    whole = fold.read_text()
    assert extremes_package.ExtremesBatch(asked, planning=False).conclude(outcomes[:1], complete=False).outputs == ()
    assert fold.read_text() == whole


def test_the_first_reader_that_claims_reads(orcaflex, asked):
    """What only the last one, that of functions, claims needs a function."""
    assert readers.read_request(asked, Options(planning=True)).batches[0].label == "extremes of winter"
    with pytest.raises(TypeError, match=r"\.sim files without a function"):
        orcabatch.run_batch([asked, asked.with_suffix(".sim")], progress=False)


def test_the_command_line_takes_its_files(orcaflex, asked, sims, capsys):
    """Which files a command understands, the readers say."""
    assert cli.main(["plan", str(asked), "performance.orcaflex=simulated"]) == 0
    assert f"{len(sims)} of {len(sims)} files to run" in capsys.readouterr().out


def test_performance_on_the_command_line_counts_for_its_files_too(orcaflex, asked, capsys):
    """The section is ours, whoever reads the rest: a limit of one is one, and what is no section is refused."""
    assert cli.main(["plan", str(asked), "performance.threading.max_threads=1"]) == 0
    assert "1 at once" in capsys.readouterr().out
    assert cli.main(["plan", str(asked), "performance=1"]) == 2
    assert "performance must be a section with keys, not 1" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["plan", "run"])
def test_key_value_that_its_reader_does_not_take_is_refused(orcaflex, asked, tmp_path, capsys, command):
    """It would be accepted and ignored: one sentence that names it, exit code 2, and nothing is run."""
    assert cli.main([command, str(asked), "meta.label=x", "orcaflex.postprocess=1"]) == 2
    said = capsys.readouterr().err
    assert "meta, orcaflex would change a YAML, and none is named" in said
    assert not (tmp_path / "out").exists()
