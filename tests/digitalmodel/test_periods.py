"""A period that lies outside the simulation, beyond its end or covers little of it is said, with its columns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import orcabatch
from dm_proof.configurations import column, configuration, write_files
from orcabatch import simulated
from orcabatch.digitalmodel.missing import asked_periods, period_warnings

END_A = {"objectExtra": ["End A"]}


@pytest.fixture
def orcaflex() -> Iterator[None]:
    simulated.install()
    yield
    simulated.uninstall()


def tension(label: str, period: Any, **more: Any) -> dict[str, Any]:
    return column("TimeHistory", "Line01", "Effective tension", label, SimulationPeriod=period, **END_A, **more)


def asking(folder: Path, files: list[Path], *periods: Any) -> dict[str, Any]:
    """Summaries and time series over these periods, one column each."""
    summaries = [tension(f"max{i}", period, Statistic_Type="Max") for i, period in enumerate(periods)]
    series = [tension(f"x{i}", period) for i, period in enumerate(periods[:1])]
    return configuration(
        list(files),
        folder,
        "summary",
        "time_series",
        summary_settings={"groups": [{"Label": "dyn", "Columns": summaries}]},
        time_series_settings={"data": True, "groups": [{"Label": "ten", "Columns": series}]},
    )


@pytest.mark.parametrize(
    ("period", "said"),
    [
        ([0.0, 100.0], None),
        ([0, None], None),
        ([None, None], None),
        ("StaticState", None),
        ([50.0, 50.0], None),
        ([None, 60], None),
        (None, None),
        (["0", "5"], None),
        ([0.0, 5.0], "period 0..5 s covers only 5% of the simulated time (-10..100 s): max0, x0"),
        ([95, None], "period 95..100 s covers only 5% of the simulated time"),
        ([0.0, 0.5], "covers only less than 1% of"),
        ([None, 200.0], "period -10..200 s reaches beyond the simulated -10..100 s"),
        ([200.0, 300.0], "period 200..300 s lies outside the simulated -10..100 s"),
        ([200.0, None], "period 200..200 s lies outside"),
        ([30.0, 20.0], "period 30..20 s lies outside"),
    ],
)
def test_a_period_in_numbers_is_held_against_the_simulation(period: Any, said: str | None, tmp_path: Path) -> None:
    """Open ends are the simulation's; named periods, instants and what is no period are left alone."""
    warnings = period_warnings(asked_periods(asking(tmp_path, [], period)), -10.0, 100.0)
    assert len(warnings) == (said is not None)
    assert said is None or said in warnings[0]


def test_columns_of_one_period_are_named_together_and_outputs_that_are_off_are_not(tmp_path: Path) -> None:
    """One line for a period, whatever the number of columns."""
    cfg = asking(tmp_path, [], *[[0.0, 5.0]] * 5, [0.0, 6.0])
    assert asked_periods(cfg) == {(0.0, 5.0): ("max0", "max1", "max2", "max3", "max4", "x0"), (0.0, 6.0): ("max5",)}
    assert "max0, max1, max2 and 3 more" in period_warnings(asked_periods(cfg), 0.0, 100.0)[0]
    cfg["orcaflex"]["postprocess"]["summary"]["flag"] = False
    assert asked_periods(cfg) == {(0.0, 5.0): ("x0",)}


@pytest.mark.parametrize("times", [(None, 100.0), (0.0, float("nan")), (object(), object())])
def test_a_model_that_cannot_say_how_far_it_got_gives_no_warning(times: tuple[Any, Any], tmp_path: Path) -> None:
    """A static one, or a stub of a test."""
    assert period_warnings(asked_periods(asking(tmp_path, [], [0.0, 5.0])), *times) == ()


def test_the_files_that_it_concerns_say_so_at_the_end_of_a_run(orcaflex: None, tmp_path: Path) -> None:
    """Each file by its own simulation, also one that broke off; again where the result is an earlier run's."""
    (tmp_path / "out").mkdir()
    files = write_files(tmp_path / "sims", 2, stops=(20.0, 100.0))
    files += write_files(tmp_path / "partial", 1, stops=(100.0,), current_time_s=4.0)
    files[2] = files[2].rename(files[2].with_name("broken_off.sim"))
    for status in ("ok", "skipped"):
        cfg = asking(tmp_path / "out", files, [0.0, 5.0])
        result = orcabatch.run_batch(
            cfg, performance={"orcaflex": "simulated", "consistency": "per_file"}, progress=False
        )
        said = [[text for text in outcome.warnings if text.startswith("period ")] for outcome in result.outcomes]
        assert [str(outcome.status) for outcome in result.outcomes] == [status] * 3
        assert [len(each) for each in said] == [0, 1, 1]
        assert "covers only" in said[1][0]
        assert "reaches beyond the simulated" in said[2][0]
