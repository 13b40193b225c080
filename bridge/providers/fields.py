"""The kinds of value a provider page holds, read and checked when the page is loaded."""

import re
from collections.abc import Mapping
from string import Formatter
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)

from bridge.duration import seconds
from bridge.duration import text as duration_text
from bridge.providers.lookup import Lookup, lookup
from bridge.rate import Rate, rate

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Section(BaseModel):
    """A part of a page. Unknown keys are errors: a misspelt one would do nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def normal(word: str) -> str:
    """A status word as it is compared: "In-Progress" and "IN_PROGRESS" are one word.

    >>> normal(" In Progress ")
    'in_progress'
    """
    return word.strip().lower().replace("-", "_").replace(" ", "_")


def placeholders(template: str) -> list[str]:
    """
    >>> placeholders("/v2/{endpoint}/status/{task_id}")
    ['endpoint', 'task_id']
    """
    return [name for _, name, _, _ in Formatter().parse(template) if name is not None]


def encoded(template: str, safe: str = "") -> str:
    """The template as it stands in a URL, placeholders untouched.

    >>> encoded("{task_id} & more")
    '{task_id}%20%26%20more'
    """
    return quote(template, safe="{}:@!$'()*+,;=~" + safe if safe else "{}")


def query_string(query: Mapping[str, str], pieces: Mapping[str, str]) -> str:
    """`?…` with each parameter whose placeholders all have a value, or nothing.

    >>> query_string({"id": "{task_id}", "app": "{app}"}, {"task_id": "a%2Fb"})
    '?id=a%2Fb'
    """
    filled = [
        f"{quote(name, safe='')}={encoded(template).format_map(pieces)}"
        for name, template in query.items()
        if all(each in pieces for each in placeholders(template))
    ]
    return "?" + "&".join(filled) if filled else ""


def _several(value: Any) -> Any:
    """One where a list may stand is a list of one."""
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _without_nulls(value: Any) -> Any:
    """A key set to null is taken out: how an operator drops an entry of a preset."""
    if isinstance(value, dict):
        return {key: each for key, each in value.items() if each is not None}
    return {} if value is None else value


def _expression(value: Any) -> Lookup:
    if isinstance(value, Lookup):
        return value
    if not isinstance(value, str):
        raise ValueError("not an expression; write a path such as data.status")
    return lookup(value)


def _written_word(value: Any) -> str:
    if isinstance(value, bool):  # an unquoted true is a truth value to YAML
        return str(value).lower()
    if isinstance(value, str | int) and str(value).strip():
        return str(value)
    raise ValueError("not a status word")


def _regex(value: Any) -> re.Pattern[str]:
    if isinstance(value, re.Pattern):
        return value
    try:
        return re.compile(value)
    except (re.error, TypeError) as error:
        raise ValueError(f"not a regular expression: {error}") from None


def _template(value: str) -> str:
    """Braces hold a name and nothing else, so filling one in is all that can happen."""
    try:
        parts = list(Formatter().parse(value))
    except ValueError as error:
        raise ValueError(f"{value!r} is not a template: {error}") from None
    for _, name, spec, conversion in parts:
        if name is not None and (spec or conversion or not _NAME.fullmatch(name)):
            raise ValueError(f"{value!r}: write placeholders as {{task_id}}")
    return value


def _path(value: str) -> str:
    path = _template(value)
    if not path.startswith("/") or path.startswith("//"):
        raise ValueError(f"{value!r}: a path starts with one /")
    if re.search(r"[?#\\\s%]", path):
        raise ValueError(
            f"{value!r}: a path has no ? # % \\ or spaces; use query for the rest"
        )
    if {".", ".."} & set(path.split("/")):
        raise ValueError(f"{value!r}: a path has no . or .. in it")
    return path


def _base_url(value: str) -> str:
    """Scheme and host, and at most the prefix a proxy puts in front of the API."""
    url = value.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"not a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not host or re.search(r"[\s\\%]", url):
        raise ValueError("not a base URL; write it like https://api.example.com")
    if parts.username is not None or parts.query or parts.fragment or url[-1:] in "?#":
        raise ValueError(
            "a base URL has no user, query or fragment; the key goes to api_key"
        )
    _path(parts.path + "/")
    return url


def _header_name(value: str) -> str:
    if not _HEADER_NAME.fullmatch(value):
        raise ValueError(f"{value!r} is not a header name")
    return value


def _header_value(value: str) -> str:
    if not _HEADER_VALUE.fullmatch(value):
        raise ValueError("a header value is printable ASCII on one line")
    return value


def _named(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(f"{value!r}: names are lower-case letters, digits and _")
    return value


Duration = Annotated[
    float,
    BeforeValidator(seconds),
    PlainSerializer(duration_text),
    WithJsonSchema({"type": ["string", "number"], "examples": ["90s", "2h", 30]}),
]
PageRate = Annotated[
    Rate,
    PlainValidator(lambda value: value if isinstance(value, Rate) else rate(value)),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "examples": ["20/s", "600/m"]}),
]
Expression = Annotated[
    Lookup,
    PlainValidator(_expression),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "examples": ["data.status"]}),
]
Regex = Annotated[
    re.Pattern[str],
    PlainValidator(_regex),
    PlainSerializer(lambda value: value.pattern),
    WithJsonSchema({"type": "string", "format": "regex"}),
]
Places = Annotated[tuple[Expression, ...], BeforeValidator(_several)]
Word = Annotated[str, BeforeValidator(_written_word)]
WordList = Annotated[tuple[Word, ...], BeforeValidator(_several)]
Name = Annotated[str, AfterValidator(_named)]
Template = Annotated[str, AfterValidator(_template)]
Path = Annotated[str, AfterValidator(_path)]
Paths = Annotated[tuple[Path, ...], BeforeValidator(_several)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[str, AfterValidator(_header_value)]
NoNulls = BeforeValidator(_without_nulls)
