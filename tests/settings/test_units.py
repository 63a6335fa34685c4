"""Sizes, durations, rates and percentages as people write them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orcabatch.settings import (
    format_count,
    format_duration,
    format_size,
    parse_duration,
    parse_percent,
    parse_rate,
    parse_size,
)
from orcabatch.settings.units import parse_number, parse_switch, parse_text, parse_whole


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("100MB", 100_000_000),
        ("1.5 GB", 1_500_000_000),
        ("10MiB", 10 * 2**20),
        ("2 kb", 2_000),
        ("1TiB", 2**40),
        ("7", 7),
        ("12 bytes", 12),
        ("1e3 kB", 1_000_000),
        (" 5m ", 5_000_000),
        (42, 42),
        (3.0, 3),
    ],
)
def test_sizes_are_powers_of_ten_unless_binary_is_said(text: object, size_bytes: int) -> None:
    """MB are powers of ten, MiB powers of two, a bare number is bytes."""
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize("text", ["10 XB", "", "MB", "-5MB", "1,5GB", True, None, math.nan, math.inf, [1], "1e999"])
def test_a_wrong_size_says_what_is_allowed(text: object) -> None:
    """Whatever is no size raises ValueError with an example."""
    with pytest.raises(ValueError, match="such as 100MB"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90 s", 90.0),
        ("10 min", 600.0),
        ("5m", 300.0),
        ("2h", 7200.0),
        ("1 h 30 min", 5400.0),
        ("250 ms", 0.25),
        ("1 day", 86400.0),
        ("1.5", 1.5),
        (30, 30.0),
    ],
)
def test_durations_are_seconds(text: object, seconds: float) -> None:
    """Durations with units, several units, or none."""
    assert parse_duration(text) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize("text", ["5 parsecs", "", "s", "-3 s", "1 30 min", False, None, math.inf, {}])
def test_a_wrong_duration_says_what_is_allowed(text: object) -> None:
    """Whatever is no duration raises ValueError with an example."""
    with pytest.raises(ValueError, match="such as 90 s"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "per_second"),
    [("1 per second", 1.0), ("6 per minute", 0.1), ("1/s", 1.0), ("1 per 10 s", 0.1), ("0.5", 0.5), (2, 2.0)],
)
def test_rates_are_per_second(text: object, per_second: float) -> None:
    """`1 per second`, another period, or a bare number."""
    assert parse_rate(text) == pytest.approx(per_second, rel=1e-12)


@pytest.mark.parametrize("text", ["1 per parsec", "often", "1 per 0 s", None, True, math.nan])
def test_a_wrong_rate_is_refused(text: object) -> None:
    """Whatever is no rate raises ValueError."""
    with pytest.raises(ValueError, match="such as"):
        parse_rate(text)


def test_percentages_are_floats_with_or_without_their_sign() -> None:
    """80, 80.0 and 80% are the same."""
    assert parse_percent("80%") == parse_percent(80) == parse_percent("80.0") == 80.0


def test_true_is_no_number_and_a_half_is_not_whole() -> None:
    """YAML's true does not slip through as 1, and 8.5 does not become 8."""
    assert parse_whole("8") == parse_whole(8.0) == 8
    for value in (True, 8.5, "eight", None, math.inf):
        with pytest.raises(ValueError, match="whole number"):
            parse_whole(value)
    with pytest.raises(ValueError, match="a number"):
        parse_number(True)


def test_a_switch_takes_words_and_nothing_else() -> None:
    """Yes / no / on / off count, 1 and 0 do not."""
    assert parse_switch("yes") is parse_switch(True) is True
    assert parse_switch("off") is parse_switch(False) is False
    with pytest.raises(ValueError, match="true or false"):
        parse_switch(1)


def test_a_number_is_no_text() -> None:
    """A file name that YAML read as a number is refused."""
    with pytest.raises(ValueError, match="text"):
        parse_text(5)


@given(st.one_of(st.text(), st.floats(), st.integers(), st.booleans(), st.none(), st.binary()))
def test_any_value_is_read_or_refused(value: object) -> None:
    """No value makes a parser raise anything but ValueError, or return infinity."""
    for parse in (parse_size, parse_duration, parse_rate, parse_percent, parse_whole):
        try:
            assert math.isfinite(parse(value))
        except ValueError:
            continue
        except OverflowError:  # an integer beyond every float is finite all the same
            assert isinstance(value, int)


@given(st.integers(min_value=0, max_value=10**15))
def test_a_size_shown_can_be_read_again(size_bytes: int) -> None:
    """What is shown to a person means the same size, to its three digits."""
    assert parse_size(format_size(size_bytes)) == pytest.approx(size_bytes, rel=0.06)


def test_amounts_are_shown_as_people_write_them() -> None:
    """Sizes, durations and counts for messages."""
    assert [format_size(n) for n in (0, 12, 1_500_000_000, 999_999, 256 * 10**9)] == [
        "0 B",
        "12 B",
        "1.5 GB",
        "1 MB",
        "256 GB",
    ]
    assert [format_duration(s) for s in (0.5, 12, 60, 200, 7500)] == [
        "0.5 s",
        "12 s",
        "1 min",
        "3 min 20 s",
        "2 h 5 min",
    ]
    assert [format_count(1, "file"), format_count(2, "process"), format_count(0, "file")] == [
        "1 file",
        "2 processes",
        "0 files",
    ]
