"""`list` and `show`: what a running bridge has, over its API."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from bridge.cli.exits import CommandFailed, UsageFault
from bridge.cli.options import ApiKey, Json, Limit, Url, Wait
from bridge.cli.output import (
    as_json,
    facts,
    note,
    plain,
    say,
    say_facts,
    say_table,
)

COLUMNS = ("id", "provider", "task_id", "state", "status", "outcome")


def list_(
    *,
    state: Annotated[
        str | None, typer.Option(metavar="STATE", help="active, ended or stopped.")
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(
            metavar="STATUS", help="What the provider said: running, succeeded, …"
        ),
    ] = None,
    outcome: Annotated[
        str | None,
        typer.Option(
            metavar="OUTCOME", help="How it ended: succeeded, failed, timed_out, …"
        ),
    ] = None,
    provider: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this provider's.")
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
    """Show one subscription, or a delivery and its attempts."""
    import asyncio

    delivery = id_.startswith("msg_")
    if delivery and wait is not None:
        raise UsageFault("--wait: waits for the end of a subscription, not of a delivery")
    kind = "deliveries" if delivery else "subscriptions"
    path = f"/{kind}/{quote(id_, safe='')}"
    shown = asyncio.run(got(url, api_key, path, waiting(wait), key="id", wait_s=wait or 0))
    if json:
        say(as_json(shown))
    else:
        say_facts(facts(shown))


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
