"""Times in JSON, there and back."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.rfc3339 import rfc3339, unix


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (-0.5, "1969-12-31T23:59:59.500Z"),
        (1_614_265_330, "2021-02-25T15:02:10Z"),
        (1_614_265_330.0004, "2021-02-25T15:02:10Z"),
        (1_614_265_330.0016, "2021-02-25T15:02:10.002Z"),
        (1_614_265_330.9999, "2021-02-25T15:02:11Z"),
        (-62_135_596_800, "0001-01-01T00:00:00Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z"),
    ],
)
def test_milliseconds_are_shown_only_if_there_are_any(at: float, text: str) -> None:
    """
    Receivers compare these texts; one instant has one form.
    """
    assert rfc3339(at) == text


@pytest.mark.parametrize("at", [math.nan, math.inf, -math.inf, 253_402_300_800, 1.7e18])
def test_a_time_that_no_calendar_has_is_refused(at: float) -> None:
    """
    Providers send milliseconds and nanoseconds where seconds are documented.
    """
    with pytest.raises(ValueError, match="calendar"):
        rfc3339(at)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:01z", 1),
        (" 1970-01-01 00:00:02Z ", 2),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:30:00-00:30", 0),
        ("1970-01-01T00:00:00.5Z", 0.5),
        ("1970-01-01T00:00:00.123456789Z", 0.123456),
    ],
)
def test_what_rfc_3339_allows_is_read(text: str, at: float) -> None:
    """
    Callers write times with any library of any language.
    """
    assert unix(text) == at


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "1970-01-01",
        "1970-01-01T00:00:00",
        "1970-01-01T00:00Z",
        "1970-13-01T00:00:00Z",
        "1970-01-01T24:00:01Z",
        "1970-01-01T00:00:00+0100",
        "1970-01-01T00:00:00.Z",
        "١٩٧٠-01-01T00:00:00Z",
        "1970-W01-1T00:00:00Z",
        "0001-01-01T00:00:00+99:00",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    """
    A time without its offset is another instant on every machine.
    """
    with pytest.raises(ValueError, match=r"written like|no such time"):
        unix(text)


@given(st.floats(-6e10, 2.5e11))
def test_a_time_comes_back_to_the_millisecond(at: float) -> None:
    """
    What we write we can read.
    """
    assert abs(unix(rfc3339(at)) - at) <= 0.0006


@pytest.mark.parametrize(
    "text",
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59.9999Z"],
)
def test_a_time_that_could_not_be_written_in_utc_is_none(text: str) -> None:
    """What is read is told again: to the caller, in a page, in an event."""
    with pytest.raises(ValueError, match="there is no such time"):
        unix(text)
