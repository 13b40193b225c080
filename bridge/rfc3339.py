"""Times as JSON carries them: RFC 3339, in UTC, with Z."""

import re
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:\.(\d+))?(Z|[+-]\d{2}:\d{2})", re.ASCII
)


def rfc3339(at: float) -> str:
    """Unix seconds as text, to the nearest millisecond, which is left out when it is zero.

    Raises ValueError for what is not between the years 1 and 9999.

    >>> rfc3339(1795608000), rfc3339(1795608000.25)
    ('2026-11-25T12:00:00Z', '2026-11-25T12:00:00.250Z')
    """
    try:
        moment = _EPOCH + timedelta(milliseconds=round(at * 1000))
    except (OverflowError, ValueError):  # infinite, not a number, or beyond the calendar
        raise ValueError(f"{at} is not a time this calendar has") from None
    precision = "milliseconds" if moment.microsecond else "seconds"
    return moment.isoformat(timespec=precision).removesuffix("+00:00") + "Z"


def unix(text: str) -> float:
    """The instant `text` names, in unix seconds. Raises ValueError, saying how to write it.

    The offset is required: a time without one means another instant on every machine.

    >>> unix("2026-11-25T13:00:00.25+01:00")
    1795608000.25
    """
    match = _TIME.fullmatch(text.strip().upper())
    if match is None:
        raise ValueError('a time is written like "2026-11-25T12:00:00Z"')
    day, clock, fraction, offset = match.groups()
    # The standard library reads three or six digits of a second, on every version.
    micros = (fraction or "0")[:6].ljust(6, "0")
    written = f"{day}T{clock}.{micros}{offset.replace('Z', '+00:00')}"
    try:
        at = (datetime.fromisoformat(written) - _EPOCH).total_seconds()
        rfc3339(at)  # in UTC it may be of another year, which nobody could write
        return at
    except ValueError as error:
        raise ValueError(f"there is no such time: {error}") from None
