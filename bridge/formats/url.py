"""The flat facts as a form, or in a URL for tools that listen for GET."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from bridge.formats.level import flat, spread

# Servers commonly refuse request lines beyond 8 KiB; the caller's own URL needs room too.
QUERY_MOST = 6000
METADATA_MOST = 3000  # of it, for what is never left out although the caller chooses it
MESSAGE_MOST = 200  # letters: one Chinese letter takes nine in a URL
_LONG = ("raw", "files", "details")  # emptied in this order until the query is short enough


def query(body: bytes) -> str:
    """The flat facts of `body`, a standard event, as a URL query: for method GET.

    Null is an empty value. Lists and objects are left empty when the query would be too
    long for a request line, and a long error message is cut.
    """
    facts = flat(orjson.loads(body))
    if facts.get("error_message"):
        facts["error_message"] = facts["error_message"][:MESSAGE_MOST]
    written = encoded(facts)
    for key in (key for key in _LONG if key in facts):
        if len(written) <= QUERY_MOST:
            break
        facts[key] = None
        written = encoded(facts)
    return written


def form(body: bytes) -> bytes:
    """The flat facts of `body`, a standard event, as application/x-www-form-urlencoded."""
    return encoded(flat(orjson.loads(body))).encode()


def metadata_fits(metadata: Mapping[str, Any]) -> bool:
    """Whether a query has room for it beside whatever an event may say."""
    return len(encoded(spread(metadata))) <= METADATA_MOST


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


def encoded(facts: Mapping[str, Any]) -> str:
    pairs = {key: as_text(value) for key, value in facts.items()}
    return urlencode(pairs, quote_via=quote)


def as_text(value: Any) -> str:
    """A value as a form has it: null is empty."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
