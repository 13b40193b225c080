"""Instants in a provider's answer, and until when its links are valid."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from bridge.rfc3339 import unix

# What we take for a time: 2001 to 2100. Also what tells milliseconds from seconds.
EARLIEST_S, LATEST_S = 1_000_000_000.0, 4_102_444_800.0

# Signed links: `<prefix>-Expires` seconds from `<prefix>-Date` on. Volcengine TOS, S3 and
# what speaks its language, Google Cloud Storage, Alibaba OSS.
_SIGNERS = ("x-tos", "x-amz", "x-goog", "x-oss")
# The instant itself: OSS and S3 before version 4, CloudFront; ByteDance's delivery network.
_INSTANTS = ("expires", "x-expires")


def instant(value: Any) -> float | None:
    """Unix seconds, from seconds, milliseconds or RFC 3339; None for what is no time.

    Zero is how some providers write "not yet".

    >>> instant(1778689061), instant(1778689061250), instant("2026-05-13T16:17:41Z")
    (1778689061.0, 1778689061.25, 1778689061.0)
    >>> instant(0), instant("soon"), instant(True), instant(10**30), instant(float("nan"))
    (None, None, None, None, None)
    """
    if isinstance(value, str):
        return _written(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if EARLIEST_S <= value < LATEST_S:
        return float(value)
    if EARLIEST_S * 1000 <= value < LATEST_S * 1000:
        return value / 1000
    return None


def link_expiry(url: str, signed_at: float) -> float | None:
    """When the link says it ends. `signed_at` counts where it does not say when it began.

    >>> link_expiry("https://a.example/v.mp4?X-Tos-Expires=86400", 1778689178.0)
    1778775578.0
    >>> link_expiry("https://a.example/v.mp4?Expires=1778700000&Signature=x", 0)
    1778700000.0
    """
    try:
        pairs = parse_qsl(urlsplit(url).query, max_num_fields=100)
    except ValueError:
        return None
    query = {name.lower(): value for name, value in pairs}
    for signer in _SIGNERS:
        lifetime = query.get(f"{signer}-expires", "")
        if lifetime.isdecimal() and len(lifetime) <= 9:
            began = _stamp(query.get(f"{signer}-date", ""))
            return instant((signed_at if began is None else began) + int(lifetime))
    for name in _INSTANTS:
        if name in query:
            return instant(query[name])
    return None


def _written(value: str) -> float | None:
    if len(value) > 40:
        return None
    if value.isdecimal():
        return instant(int(value))
    try:
        at = unix(value)
    except ValueError:
        return None
    return at if EARLIEST_S <= at < LATEST_S else None


def _stamp(value: str) -> float | None:
    try:
        return datetime.strptime(value, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
