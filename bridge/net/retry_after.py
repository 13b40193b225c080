"""Reads the `Retry-After` header (RFC 9110, 10.2.3)."""

import re
from datetime import UTC
from email.utils import parsedate_to_datetime

DAY_S = 86_400.0
SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")  # whole ones by the RFC; some send fractions


def retry_after_s(header: str | None, now: float) -> float | None:
    """Seconds to wait from `now`, at most a day; None if nothing sensible was asked.

    `now` is wall time, because the other side's dates are.

    >>> retry_after_s("120", now=0), retry_after_s("soon", now=0)
    (120.0, None)
    >>> retry_after_s("Thu, 01 Jan 1970 00:01:00 GMT", now=20)
    40.0
    >>> retry_after_s("Thu, 01 Jan 1970 00:01:00 GMT", now=3600)  # past: at once
    0.0
    >>> retry_after_s("99999999999", now=0)
    86400.0
    """
    if header is None:
        return None
    seconds = _seconds(header.strip(), now)
    return None if seconds is None else min(max(seconds, 0.0), DAY_S)


def _seconds(text: str, now: float) -> float | None:
    if SECONDS.fullmatch(text):
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # A date without a zone is GMT: the obsolete asctime form never has one.
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now
