"""The tables of docs/configuration.md, made from the models so that they stay true."""

import json
from collections.abc import Iterator

from pydantic import SecretStr

from bridge.config.keys import Key, keys
from bridge.config.tree import dotted, variable
from bridge.duration import text


def tables() -> Iterator[tuple[str, str]]:
    """Each group of keys (empty for the top level) with its table, in Markdown."""
    groups: dict[str, list[str]] = {}
    for key in keys():
        groups.setdefault(dotted(key.path[:-1]), []).append(_row(key))
    head = "| key | environment | default | meaning |\n|---|---|---|---|\n"
    for group, rows in groups.items():
        yield group, head + "".join(f"{row}\n" for row in rows)


def shown_default(key: Key) -> str:
    """As it would be written in the file."""
    if key.field.is_required():
        return "required"
    value = key.field.default
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if key.name.endswith("_s"):
        return text(value)
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return str(value)


def _row(key: Key) -> str:
    default = shown_default(key)
    default = default if key.field.is_required() else f"`{default}`"
    meaning = str(key.field.description).replace("|", "\\|")
    return f"| `{key.path[-1]}` | `{variable(key.path)}` | {default} | {meaning} |"
