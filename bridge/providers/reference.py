"""The tables of docs/providers.md, made from the pages so that they stay true."""

import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic.fields import FieldInfo

from bridge.duration import text
from bridge.providers.catalogue import preset, preset_names
from bridge.providers.fields import Section
from bridge.providers.page import Page
from bridge.providers.result import content_url


def key_tables() -> Iterator[tuple[str, str]]:
    """Each part of a page (empty: the page itself) with the table of its keys."""
    yield from _tables("", Page)


def preset_table() -> str:
    """What each preset asks, where, and how often."""
    head = (
        "| preset | address | asked at | poll | limit | deadline | result links |\n"
        "|---|---|---|---|---|---|---|\n"
    )
    return head + "".join(_preset_row(name, preset(name)) for name in preset_names())


def word_table() -> str:
    """Which words each preset knows, by what they mean."""
    pages = {name: preset(name) for name in preset_names()}
    statuses = list(pages["ark"].words.model_dump())
    head = f"| preset | {' | '.join(statuses)} |\n|---|{'---|' * len(statuses)}\n"
    rows = (
        f"| `{name}` | {' | '.join(_words(getattr(page.words, s)) for s in statuses)} |\n"
        for name, page in pages.items()
    )
    return head + "".join(rows)


def _words(words: tuple[str, ...]) -> str:
    return " ".join(f"`{word}`" for word in words)


def _preset_row(name: str, page: Page) -> str:
    cells = (
        f"`{name}`",
        page.base_url or "not set",
        " or ".join(f"`{path}`" for path in page.request.paths),
        f"{text(page.poll.first)}, then {text(page.poll.interval)}",
        str(page.rate_limit),
        text(page.deadline),
        _links(page),
    )
    return f"| {' | '.join(cells)} |\n"


def _links(page: Page) -> str:
    parts = [f"valid {text(page.link_lifetime)}"] if page.link_lifetime else []
    content = content_url(page, "", "ID")
    parts += [f"bytes with the key at `{content}`"] if content else []
    return "; ".join(parts)


def _tables(path: str, model: type[Section]) -> Iterator[tuple[str, str]]:
    fields = model.model_fields
    rows = "".join(_key_row(name, field) for name, field in fields.items())
    yield path, f"| key | default | meaning |\n|---|---|---|\n{rows}"
    for name, field in fields.items():
        inner = next(_sections(field.annotation), None)
        if inner is not None:
            below = f"{path}.{name}".lstrip(".") + _repeated(field)
            yield from _tables(below, inner)


def _repeated(field: FieldInfo) -> str:
    written = str(field.annotation)
    return ".<name>" if written.startswith("dict") else "[]" if "tuple" in written else ""


def _sections(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for inner in get_args(annotation):
        yield from _sections(inner)


def _key_row(name: str, field: FieldInfo) -> str:
    meaning = str(field.description).replace("|", "\\|")
    return f"| `{name}` | {_default(field)} | {meaning} |\n"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, Section):
        return "below"
    return f"`{_written(value)}`"


def _written(value: Any) -> str:
    """As it would be written in YAML; every number of a page is a duration."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return text(value)
    if isinstance(value, re.Pattern):
        return str(value.pattern)
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return str(value) or '""'
