"""`list` and `show`: what a running bridge has, over its API."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from bridge.cli import completing
from bridge.cli.asking import Cursor, got, holding, present, say_page
from bridge.cli.exits import UsageFault
from bridge.cli.options import ApiKey, Json, Limit, Url, Wait
from bridge.cli.output import (
    as_json,
    facts,
    plain,
    program,
    say,
    say_facts,
    say_styled,
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
    cursor: Cursor = None,
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
    path, query = "/subscriptions", present(wanted)
    page = asyncio.run(got(url, api_key, path, query, key="items"))
    say_page(page, (*COLUMNS, "delivery", "created"), row, json=json)


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


def row(subscription: dict[str, Any]) -> list[Any]:
    delivery = subscription["delivery"]["state"]
    return [*(subscription[name] for name in COLUMNS), delivery, subscription["created_at"]]


def waiting(wait: int | None) -> dict[str, str]:
    return {} if wait is None else {"wait": str(wait)}
