"""Times, spans, URLs and values as people read them; nothing of it is trusted."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import orjson

TEXT_CHARS = 8_192


def at(unix_s: float | None) -> str:
    """In UTC, to the second; scripts make it the reader's own time.

    >>> at(1_800_000_000.0), at(None)
    ('2027-01-15 08:00:00', '–')
    """
    moment = instant(unix_s)
    return "–" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"


def machine(unix_s: float | None) -> str:
    """For `datetime` of HTML.

    >>> machine(1_800_000_000.25)
    '2027-01-15T08:00:00Z'
    """
    moment = instant(unix_s)
    return "" if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def instant(unix_s: float | None) -> datetime | None:
    try:
        return None if unix_s is None else datetime.fromtimestamp(unix_s, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def span(seconds: float | None) -> str:
    """
    >>> [span(each) for each in (0.0123, 0.9996, 4.25, 75, 3_900, 200_000, None)]
    ['12 ms', '1.0 s', '4.2 s', '1 m 15 s', '1 h 5 m', '2 d 7 h', '–']
    """
    if seconds is None:
        return "–"
    if seconds < 0.9995:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    whole = round(seconds)
    for unit, below, name, small in ((60, 3_600, "m", "s"), (3_600, 86_400, "h", "m")):
        if whole < below:
            return two(whole // unit, name, whole % unit // (unit // 60), small)
    return two(whole // 86_400, "d", whole % 86_400 // 3_600, "h")


def two(large: int, name: str, small: int, below: str) -> str:
    return f"{large} {name} {small} {below}" if small else f"{large} {name}"


def masked(url: object) -> str:
    """Scheme, host and port: what follows is the password of many a receiver.

    >>> masked("https://n8n.example:8443/webhook/s3cret?sig=x"), masked("https://a.test")
    ('https://n8n.example:8443/…', 'https://a.test')
    >>> masked("javascript:alert(1)"), masked(None), masked("https://u:p@h/")
    ('(not a web address)', '–', 'https://h')
    """
    if not url:
        return "–"
    parts = web(url)
    if parts is None:
        return "(not a web address)"
    scheme, place, rest = parts
    return f"{scheme}://{place}" + ("/…" if rest else "")


def web(url: object) -> tuple[str, str, bool] | None:
    """Scheme, host with port, and whether more follows; None for what is no http(s) URL."""
    if not isinstance(url, str) or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    more = parts.path not in ("", "/") or bool(parts.query or parts.fragment)
    return parts.scheme, f"{host}:{port}" if port else host, more


def link(url: object) -> str | None:
    """The URL, if it may become a link."""
    return str(url) if web(url) else None


def json(value: Any) -> str:
    """Indented, for people; cut off where it is long."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode()
    return text if len(text) <= TEXT_CHARS else text[:TEXT_CHARS] + "\n…"


def answer(body: bytes) -> str:
    """What a receiver has said, as text."""
    return body.decode("utf-8", "replace")


# What each state means to whoever looks: a colour, and always its word beside it.
TONES: Mapping[str, str] = {
    **dict.fromkeys(("succeeded", "accepted", "ok"), "good"),
    **dict.fromkeys(("active", "running", "waiting", "queued", "pending"), "busy"),
    **dict.fromkeys(("retrying", "presumed", "throttled", "conflict", "expired"), "warn"),
    **dict.fromkeys(("timed_out", "unknown", "redirected", "not_found"), "warn"),
    **dict.fromkeys(("failed", "exhausted", "unreachable", "gone", "refused"), "bad"),
    **dict.fromkeys(("timeout", "reset", "connect_error", "dns_error"), "bad"),
    **dict.fromkeys(("tls_error", "address_forbidden", "invalid_answer"), "bad"),
    **dict.fromkeys(("proxy_error", "key_refused", "down", "auth", "forbidden"), "bad"),
    **dict.fromkeys(("misconfigured", "transient", "answer_too_large"), "bad"),
}
SIGNS = {"good": "✓", "busy": "●", "warn": "▲", "bad": "✕", "calm": "○"}


def tone(state: object) -> str:
    """
    >>> tone("exhausted"), tone("filtered")
    ('bad', 'calm')
    """
    return TONES.get(str(state), "calm")


def sign(state: object) -> str:
    return SIGNS[tone(state)]


def word(state: object) -> str:
    """
    >>> word("timed_out"), word(None)
    ('timed out', '–')
    """
    return "–" if state is None else str(state).replace("_", " ")
