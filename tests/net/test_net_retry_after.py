"""`Retry-After` in all its forms, and in none."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.net.retry_after import DAY_S, retry_after_s

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        (" 30 ", 30),
        ("1.5", 1.5),
        ("86401", DAY_S),
        ("9" * 5000, DAY_S),
        ("Fri, 20 Nov 2026 12:01:30 GMT", 90),
        ("Friday, 20-Nov-26 12:01:30 GMT", 90),
        ("Fri Nov 20 12:01:30 2026", 90),
        ("Fri, 20 Nov 2026 13:01:30 +0100", 90),
        ("Fri, 20 Nov 2026 11:59:59 GMT", 0),
        ("Fri, 20 Nov 2099 12:00:00 GMT", DAY_S),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("5 minutes", None),
        ("nan", None),
        ("1e", None),
        ("1_0", None),
        ("٣٠", None),
        ("Fri, 99 Nov 2026 12:00:00 GMT", None),
        ("Fri, 20 Nov 0000 12:00:00 GMT", 0),
        ("Fri, 20 Nov 2026 12:00:00 +9999999999", None),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0),
    ],
)
def test_seconds_and_dates_are_read_and_nonsense_is_not(
    header: str | None, seconds: float | None
) -> None:
    """
    Both forms are in use, and so is every mistake.
    """
    assert retry_after_s(header, NOW) == seconds


@given(st.one_of(st.text(), st.text(alphabet="0123456789.eE+-_: ,GMTFriNov")))
def test_nothing_a_receiver_sends_raises(header: str) -> None:
    """
    The header comes from strangers.
    """
    seconds = retry_after_s(header, NOW)
    assert seconds is None or 0 <= seconds <= DAY_S


@given(st.integers(0, 2**32))
def test_a_date_is_as_far_away_as_it_is(moment: int) -> None:
    """
    Only the past and what is more than a day away are moved.
    """
    header = format_datetime(datetime.fromtimestamp(moment, UTC), usegmt=True)
    assert retry_after_s(header, NOW) == min(max(moment - NOW, 0), DAY_S)
