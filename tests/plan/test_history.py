"""What past runs teach: the fit, the nearest source, the count to start with."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest

from benchmarks import cases, prediction
from orcabatch.plan.history import Learned, Record, family, fit_by_size, held_limit, learn

MB = 1_000_000


def records(count: int, *, base: float = 2.0, per_mb: float = 0.1, stem: str = "case", seed: int = 0) -> list[Record]:
    """Records whose seconds are base + rate x size, without noise."""
    draw = random.Random(seed)
    sizes = [draw.randint(10 * MB, 3_000 * MB) for _ in range(count)]
    return [Record(f"{stem}_{i:03d}.sim", size, base + per_mb * size / MB, 1.2) for i, size in enumerate(sizes)]


def test_the_fit_finds_base_and_rate_and_files_that_met_a_busy_disk_change_neither() -> None:
    """A sixth of the files took ten times as long: base and rate stay."""
    taught = [Record(r.file, r.size_bytes, r.seconds * (10 if i % 6 == 0 else 1)) for i, r in enumerate(records(60))]
    fit = fit_by_size(taught)
    assert fit is not None
    assert fit.s_per_byte * MB == pytest.approx(0.1, rel=0.02)
    assert fit.seconds(1_000 * MB) == pytest.approx(102, rel=0.05)


def test_the_file_itself_is_nearer_than_its_family_and_the_family_nearer_than_its_size() -> None:
    """Three sources, the nearest wins."""
    slow = [Record(r.file, r.size_bytes, 3 * r.seconds) for r in records(40, stem="lngc", seed=1)]
    learned = learn([*records(40, stem="ncl"), *slow, Record("ncl_999.sim", 100 * MB, 77.0)])
    assert learned.expect(Path("x/ncl_999.sim"), 100 * MB).seconds == 77.0
    usual, lngc = (learned.expect(Path(f"{stem}_500.sim"), 1_000 * MB).seconds for stem in ("ncl", "lngc"))
    assert usual is not None
    assert lngc is not None
    assert lngc / usual == pytest.approx(3, rel=0.1)


def test_a_replaced_file_of_the_same_name_is_not_taken_for_the_old_one() -> None:
    """Twice the size is another file."""
    learned = learn([*records(20), Record("case_900.sim", 100 * MB, 500.0)])
    seconds = learned.expect(Path("case_900.sim"), 200 * MB).seconds
    assert seconds is not None
    assert seconds < 50


def test_nothing_and_nonsense_teach_nothing() -> None:
    """No records, infinite ones, empty files: no expectation, no words."""
    learned = learn([Record("a.sim", 0, 1.0), Record("b.sim", 10, math.inf), Record("c.sim", 10, math.nan)])
    assert learned.expect(Path("a.sim"), 10).seconds is None
    assert learned.words("threads") == Learned().words("threads") == ()


def test_one_of_a_kind_is_said_as_one() -> None:
    """`1 file`, `1 kind`; more of them in the plural."""
    assert "learned from 1 file of earlier runs" in learn([Record("a.sim", MB, 1.0)]).words("threads")[0]
    assert ", 1 kind of name" in learn(records(20)).words("threads")[0]
    assert ", 2 kinds of name" in learn([*records(20), *records(20, stem="other")]).words("threads")[0]


def test_memory_is_reserved_by_the_highest_factor_of_the_family() -> None:
    """What is loaded cannot be taken back, so the highest counts; a family of its own does not suffer from another."""
    learned = learn(
        [Record(f"a_{i}.sim", 10 * MB, 1.0, 0.5 + i / 10) for i in range(6)] + [Record("b_1.sim", MB, 1.0, 3.0)]
    )
    assert learned.expect(Path("a_77.sim"), 20 * MB).memory_factor == 1.0
    assert learned.expect(Path("other.sim"), 20 * MB).memory_factor == 3.0


def test_the_count_held_longest_in_the_second_half_is_the_one_to_start_with() -> None:
    """Neither the search of the first half nor the drain at the end counts."""
    changes = [(0.0, 4), (10.0, 8), (30.0, 12), (95.0, 6)]
    assert held_limit(changes, 100.0) == 12
    assert held_limit([*changes[:3], (60.0, None)], 100.0) == 12, "while memory set it, it was none that was found"
    assert held_limit([(0.0, 4), (10.0, None)], 100.0) is None
    assert held_limit([], 100.0) is None


def test_load_cases_that_differ_by_numbers_are_one_family() -> None:
    """The production pattern of the specification."""
    first, other = ("fsts_l015_hwl_125km3_l100_pb_005yr__cl_015deg", "fsts_l015_hwl_125km3_l100_pb_100yr__cl_330deg")
    assert family(f"{first}.sim") == family(f"D:/x/{other}.sim".rsplit("/", 1)[-1])


def test_on_held_out_batches_the_fit_is_better_than_the_size_alone_and_than_the_learner() -> None:
    """The comparison that decides which predictor is used; drawn batches, fixed seeds."""
    chosen = [case for case in cases.held_out_cases()[:9] if len(case.files) < 250]
    assert len(chosen) >= 3
    errors = {
        name: [prediction.error(predictor, *prediction._split(case)) for case in chosen]
        for name, predictor in prediction.PREDICTORS.items()
    }
    mean = {name: sum(each) / len(each) for name, each in errors.items()}
    assert mean["robust fit"] < 0.6 * mean["size alone"]
    assert mean["robust fit"] < mean["nearest neighbours"]
