"""What commands print: text for people, JSON for programs.

Much of it was written by others (providers, callers, receivers), so that nothing reaches a
terminal that could steer it.
"""

import json
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bridge.cli.streams import nowhere

NAME = "poll-bridge"

# What json leaves as it is although a terminal or an editor may act on it.
_ACTIVE = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_WIDE = 200  # columns of a table that no terminal limits


def name() -> str:
    """What this program is called."""
    called = Path(sys.argv[0]).name
    return "python -m bridge" if called == "__main__.py" else NAME


def program() -> str:
    """How the user has called us, for lines to be pasted: by its path, where a shell would
    not find it by its name alone.
    """
    from shutil import which

    by_path = Path(sys.argv[0]).name == NAME and which(NAME) is None
    return shlex.quote(sys.argv[0]) if by_path else name()


def plain(value: object) -> str:
    r"""The value on one line, without anything a terminal acts on.

    >>> plain("ok\x1b[2J\n"), plain(None), plain(True), plain({"fps": 24})
    ('ok?[2J?', '-', 'true', '{"fps": 24}')
    """
    if value is None:
        return "-"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "".join(each if each.isprintable() else "?" for each in text)


def as_json(value: Any, *, indent: int | None = 2) -> str:
    r"""
    >>> as_json({"word": "\u009b排队"}, indent=None)
    '{"word": "\\u009b排队"}'
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return _ACTIVE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def say(*texts: str) -> None:
    """Lines on standard output, at once: somebody may wait for them behind a pipe."""
    for text in texts:
        print(text, flush=True)


def unread() -> None:
    """Call it when a BrokenPipeError says that nobody reads standard output any more, as
    behind `| head -1`: what is written there from now on goes nowhere, quietly.
    """
    nowhere(sys.stdout.fileno())


def say_styled(*lines: Sequence[tuple[str, str]]) -> None:
    """Lines of texts, each with its style, which only a terminal shows."""
    if not sys.stdout.isatty():
        for parts in lines:
            say("  ".join(plain(text) for text, _ in parts if text).rstrip())
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for parts in lines:
        shown = [Text(plain(text), style) for text, style in parts if text]
        console.print(Text("  ").join(shown), soft_wrap=True)


def note(*texts: str) -> None:
    """Lines on standard error: for people, whatever happens to the output."""
    for text in texts:
        print(text, file=sys.stderr, flush=True)


def facts(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """What is known, by its path.

    >>> dict(facts({"id": "sub_1", "ended_at": None, "delivery": {"state": "none"}}))
    {'id': 'sub_1', 'delivery.state': 'none'}
    """
    for key, each in value.items():
        path = f"{above}.{key}" if above else key
        if isinstance(each, Mapping):
            yield from facts(each, path)
        elif isinstance(each, list) and each and isinstance(each[0], Mapping):
            for number, inner in enumerate(each, 1):
                yield from facts(inner, f"{path}.{number}")
        elif each not in (None, []):
            yield plain(path), _written(each)


def say_facts(pairs: Iterable[tuple[str, str]]) -> None:
    known = list(pairs)
    width = max((len(name) for name, _ in known), default=0)
    say(*(f"{name:<{width}}  {text}" for name, text in known))


def say_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*headings, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(plain(each)) for each in row))
    Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False).print(table)


def _written(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(plain(each) for each in value)
    return plain(value)
