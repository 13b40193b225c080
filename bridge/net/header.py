"""Header fields of other people's answers, made safe to keep and to write out."""

from collections.abc import Mapping


def header_text(value: str | None) -> str | None:
    """The HTTP client keeps bytes that are not UTF-8 as characters nothing can encode.

    >>> header_text("text/plain"), header_text("caf\\udce9"), header_text(None)
    ('text/plain', 'caf?', None)
    """
    return None if value is None else _clean(value)


def plain_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """With lower-case names; of a name that comes twice, the first value.

    >>> plain_headers({"Retry-After": "5"})
    {'retry-after': '5'}
    """
    plain: dict[str, str] = {}
    for name, value in headers.items():
        plain.setdefault(name.lower(), _clean(value))
    return plain


def _clean(value: str) -> str:
    return value if value.isascii() else value.encode("utf-8", "replace").decode()
