"""One question to a running bridge, whose answer is looked at; and a page of a list."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer

from bridge.cli.exits import CommandFailed
from bridge.cli.output import as_json, note, plain, say, say_table

Cursor = Annotated[
    str | None,
    typer.Option("--cursor", metavar="CURSOR", help="Go on where the last page ended."),
]


async def got(
    url: str | None,
    api_key: str | None,
    path: str,
    query: Mapping[str, str],
    *,
    key: str,
    wait_s: float = 0,
) -> dict[str, Any]:
    """What is at `path`; `key` is one that must be in it."""
    from bridge.cli.reaching import reached

    async with reached(url, api_key) as api:
        answer = await api.get(path, dict(query), wait_s=wait_s)
    return holding(key, answer.body)


async def posted(
    url: str | None,
    api_key: str | None,
    path: str,
    body: Mapping[str, Any],
    *,
    key: str,
    wait_s: float = 0,
) -> dict[str, Any]:
    """What is answered; `key` is one that must be in it."""
    from bridge.cli.reaching import reached

    async with reached(url, api_key) as api:
        answer = await api.post(path, dict(body), wait_s=wait_s)
    return holding(key, answer.body)


def holding(key: str, body: Any) -> dict[str, Any]:
    """The body, if it is what a bridge answers there."""
    if isinstance(body, dict) and key in body:
        return body
    raise CommandFailed("the answer is not one of poll-bridge; check --url")


def present(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Those that were given."""
    return {name: value for name, value in fields.items() if value is not None}


def say_page(
    page: Mapping[str, Any],
    columns: Sequence[str],
    row: Callable[[dict[str, Any]], Sequence[Any]],
    *,
    json: bool,
) -> None:
    """A table, and how to go on. `columns` are told without the `_at` of times."""
    if json:
        say(as_json(page))
        return
    heads = [name.removesuffix("_at") for name in columns]
    say_table(heads, [row(each) for each in page["items"]])
    if cursor := page.get("next_cursor"):
        note(f"there are more: --cursor {plain(cursor)}")
