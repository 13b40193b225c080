"""An event as different receivers want it: as it is, on one level, or in a URL.

No-code tools map fields by name from one sample, so the flat form has the same keys for
every end, and gives null instead of leaving a key out.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from bridge.portable import encode

FORMATS = ("standard", "flat")

# Servers commonly refuse request lines beyond 8 KiB; the caller's own URL needs room too.
QUERY_MOST = 6000
METADATA_MOST = 3000  # of it, for what is never left out although the caller chooses it
_MESSAGE_MOST = 200  # letters: one Chinese letter takes nine in a URL
_LONG = ("raw", "files", "details")  # emptied in this order until the query is short enough


def payload(format_name: str, body: bytes) -> bytes:
    """The bytes to send for `body`, a standard event. Raises ValueError: unknown format."""
    if format_name == "standard":
        return body
    if format_name == "flat":
        return encode(flat(orjson.loads(body)))
    raise ValueError(f"unknown format {format_name!r}; known: {', '.join(FORMATS)}")


def flat(event: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of an event on one level.

    What is a list or an object stays whole, as JSON text: the keys of `details` differ by
    provider. Only the caller's own metadata is spread, one key for each of its first level.
    """
    told = event["data"]
    if not event["type"].startswith("task."):
        return _notice(event)
    result = told["result"] or {"files": [], "details": {}}
    error = told["error"] or {}
    first = result["files"][0] if result["files"] else {}
    return {
        "id": event["id"],
        "event_id": event["event_id"],
        "type": event["type"],
        "timestamp": event["timestamp"],
        "version": event["version"],
        "test": event["test"],
        "subscription_id": told["subscription_id"],
        "provider": told["provider"],
        "task_id": told["task_id"],
        "ok": told["ok"],
        "outcome": told["outcome"],
        "status": told["status"],
        "progress": told["progress"],
        "result_url": result.get("url"),
        "provider_url": result.get("provider_url"),
        "url_missing_reason": result.get("url_missing_reason"),
        "content_type": first.get("content_type"),
        "expires_at": first.get("expires_at"),
        "files": _level(result["files"]),
        "details": _level(result["details"]),
        "error_code": error.get("code"),
        "error_message": error.get("message"),
        "error_hint": error.get("hint"),
        "provider_code": error.get("provider_code"),
        "model": told["model"],
        "submitted_at": told["submitted_at"],
        "ended_at": told["ended_at"],
        "observed_at": told["observed_at"],
        "raw": _level(told.get("raw")),
    } | _spread(told["metadata"])


def _notice(event: Mapping[str, Any]) -> dict[str, Any]:
    """Of the bridge itself: its data is on one level already."""
    head = {key: value for key, value in event.items() if key != "data"}
    return head | {key: _level(value) for key, value in event["data"].items()}


def query(body: bytes) -> str:
    """The flat facts of `body`, a standard event, as a URL query: for method GET.

    Null is an empty value. Lists and objects are left empty when the query would be too
    long for a request line, and a long error message is cut.
    """
    facts = flat(orjson.loads(body))
    if facts.get("error_message"):
        facts["error_message"] = facts["error_message"][:_MESSAGE_MOST]
    written = _query(facts)
    for key in _LONG:
        if len(written) <= QUERY_MOST:
            break
        facts[key] = None
        written = _query(facts)
    return written


def metadata_fits(metadata: Mapping[str, Any]) -> bool:
    """Whether a query has room for it beside whatever an event may say."""
    return len(_query(_spread(metadata))) <= METADATA_MOST


def append_query(url: str, query: str) -> str:
    """`url` with `query` behind the query it has, which is kept byte for byte.

    >>> append_query("https://n8n.example/wait/7?signature=a%2Fb", "ok=true")
    'https://n8n.example/wait/7?signature=a%2Fb&ok=true'
    """
    address, mark, fragment = url.partition("#")
    joint = "&" if "?" in address else "?"
    if address.endswith(("?", "&")):
        joint = ""
    return f"{address}{joint}{query}{mark}{fragment}"


def query_of(url: str) -> bytes:
    """The query string of `url`, whole and as it is sent: what a GET's signature covers.

    >>> query_of("https://n8n.example/wait/7?signature=a%2Fb&ok=true#top")
    b'signature=a%2Fb&ok=true'
    """
    return url.partition("#")[0].partition("?")[2].encode()


def _spread(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {f"metadata_{key}": _level(value) for key, value in metadata.items()}


def _level(value: Any) -> Any:
    return encode(value).decode() if isinstance(value, list | dict) else value


def _query(facts: Mapping[str, Any]) -> str:
    pairs = {key: _in_url(value) for key, value in facts.items()}
    return urlencode(pairs, quote_via=quote)


def _in_url(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
