"""`list` and `show`: what a running bridge has, over its API."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from bridge.cli import completing
from bridge.cli.exits import CommandFailed, UsageFault
from bridge.cli.options import ApiKey, Json, Limit, Url, Wait
from bridge.cli.output import (
    as_json,
    facts,
    note,
    plain,
    program,
    say,
    say_facts,
    say_styled,
    say_table,
)
from bridge.cli.progress import working

COLUMNS = ("id", "provider", "task_id", "state", "status", "outcome")
TOLD = {"timeline", "attempts"}  # as a story


def list_(
    *,
    state: Annotated[
        str | None,
        typer.Option(
            metavar="STATE",
            autocompletion=completing.subscription_states,
            help="active, ended or stopped.",
        ),
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(
            metavar="STATUS",
            autocompletion=completing.statuses,
            help="What the provider said: running, succeeded, …",
        ),
    ] = None,
    outcome: Annotated[
        str | None,
        typer.Option(
            metavar="OUTCOME",
            autocompletion=completing.outcomes,
            help="How it ended: succeeded, failed, timed_out, …",
        ),
    ] = None,
    provider: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=completing.provider_names,
            help="Only this provider's.",
        ),
    ] = None,
    task_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Only this task's.")
    ] = None,
    limit: Limit = 50,
    cursor: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="Go on where the last page ended.")
    ] = None,
    url: Url = None,
    api_key: ApiKey = None,
    json: Json = False,
) -> None:
    """Show the subscriptions, newest first."""
    import asyncio

    wanted = {
        "state": state,
        "status": status,
        "outcome": outcome,
        "provider": provider,
        "task_id": task_id,
        "limit": str(limit),
        "cursor": cursor,
    }
    query = {name: value for name, value in wanted.items() if value is not None}
    page = asyncio.run(got(url, api_key, "/subscriptions", query, key="items"))
    if json:
        say(as_json(page))
        return
    say_table((*COLUMNS, "delivery", "created"), [row(each) for each in page["items"]])
    if cursor := page.get("next_cursor"):
        note(f"there are more: --cursor {plain(cursor)}")


def show(
    id_: Annotated[
        str, typer.Argument(metavar="ID", help="sub_…, or msg_… for a delivery.")
    ],
    wait: Wait = None,
    url: Url = None,
    api_key: ApiKey = None,
    json: Json = False,
) -> None:
    """Show what became of a subscription, or of one delivery: each poll and attempt."""
    import asyncio

    from bridge.cli import story

    delivery = id_.startswith("msg_")
    if not delivery and not id_.startswith("sub_"):
        raise UsageFault(
            f"{plain(id_)}: ids begin with sub_ or msg_",
            f"to find a task's: {program()} list --task-id {plain(id_)}",
        )
    if delivery and wait is not None:
        raise UsageFault("--wait: waits for the end of a subscription, not of a delivery")
    if delivery:
        path = f"/deliveries/{quote(id_, safe='')}"
        shown = asyncio.run(got(url, api_key, path, {}, key="attempts"))
        lines = [*story.delivery_of(shown)]
    else:
        with working("waiting for the end", json=json or not wait):
            told = asyncio.run(followed(url, api_key, id_, wait))
        lines = [*story.told_of(told)]
        shown = {**told.pop("subscription"), "timeline": told}
    if json:
        say(as_json(shown))
        return
    say_facts(facts({name: each for name, each in shown.items() if name not in TOLD}))
    say("")
    say_styled(*story.laid_out(lines))


async def followed(
    url: str | None, api_key: str | None, id_: str, wait: int | None
) -> dict[str, Any]:
    """A subscription's timeline, once it has ended or `wait` seconds are over."""
    from bridge.cli.reaching import reached

    path = f"/subscriptions/{quote(id_, safe='')}"
    async with reached(url, api_key) as api:
        if wait:
            await api.get(path, waiting(wait), wait_s=wait)
        answer = await api.get(f"{path}/timeline")
    return holding("subscription", answer.body)


async def got(
    url: str | None,
    api_key: str | None,
    path: str,
    query: dict[str, str],
    *,
    key: str,
    wait_s: float = 0,
) -> dict[str, Any]:
    """What is at `path`; `key` is one that must be in it."""
    from bridge.cli.reaching import reached

    async with reached(url, api_key) as api:
        answer = await api.get(path, query, wait_s=wait_s)
    return holding(key, answer.body)


def holding(key: str, body: Any) -> dict[str, Any]:
    """The body, if it is what a bridge answers there."""
    if isinstance(body, dict) and key in body:
        return body
    raise CommandFailed("the answer is not one of poll-bridge; check --url")


def row(subscription: dict[str, Any]) -> list[Any]:
    delivery = subscription["delivery"]["state"]
    return [*(subscription[name] for name in COLUMNS), delivery, subscription["created_at"]]


def waiting(wait: int | None) -> dict[str, str]:
    return {} if wait is None else {"wait": str(wait)}
