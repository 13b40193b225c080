"""An event as different receivers want it: as it is, on one level, or in a URL.

    level   one level, for tools that map fields by name
    url     the same in a URL

Made when an event is sent; what is kept is always the standard event.
"""

import orjson

from bridge.formats.level import flat
from bridge.formats.url import (
    METADATA_MOST,
    QUERY_MOST,
    append_query,
    metadata_fits,
    query,
    query_of,
)
from bridge.portable import encode

FORMATS = ("standard", "flat")

__all__ = [
    "FORMATS",
    "METADATA_MOST",
    "QUERY_MOST",
    "append_query",
    "flat",
    "metadata_fits",
    "payload",
    "query",
    "query_of",
]


def payload(format_name: str, body: bytes) -> bytes:
    """The bytes to send for `body`, a standard event. Raises ValueError: unknown format."""
    if format_name == "standard":
        return body
    if format_name == "flat":
        return encode(flat(orjson.loads(body)))
    raise ValueError(f"unknown format {format_name!r}; known: {', '.join(FORMATS)}")
