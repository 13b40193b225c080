"""An event as different receivers want it, and what their answers mean. Pure.

    level    one level, for tools that map fields by name
    url      the same as a form, or in a URL
    words    a few lines for people; letters: within somebody's limit
    robots   the messages of chat robots, signed
    answers  what those robots' answers mean
    request  all of it: the request to make

Made when an event is sent; what is kept is always the standard event.
"""

from bridge.formats.answers import judged
from bridge.formats.level import flat
from bridge.formats.request import FORMATS, Made, made, payload
from bridge.formats.robots import ROBOTS, SIGNING
from bridge.formats.url import (
    METADATA_MOST,
    QUERY_MOST,
    append_query,
    form,
    metadata_fits,
    query,
    query_of,
)

__all__ = [
    "FORMATS",
    "METADATA_MOST",
    "QUERY_MOST",
    "ROBOTS",
    "SIGNING",
    "Made",
    "append_query",
    "flat",
    "form",
    "judged",
    "made",
    "metadata_fits",
    "payload",
    "query",
    "query_of",
]
