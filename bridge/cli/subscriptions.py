"""`subscribe`, `list` and `show`: a running bridge, over its API."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from bridge.cli.exits import CommandFailed, UsageFault, exit_code
from bridge.cli.options import ApiKey, Json, Limit, Params, Url, Wait, pairs
from bridge.cli.output import (
    as_json,
    facts,
    note,
    plain,
    program,
    say,
    say_facts,
    say_table,
)
from bridge.errors import ClientError

COLUMNS = ("id", "provider", "task_id", "state", "status", "outcome")


def subscribe(
    provider: Annotated[str, typer.Argument(metavar="PROVIDER", help="Who runs the task.")],
    task_id: Annotated[
        str, typer.Argument(metavar="TASK_ID", help="The id the provider gave it.")
    ],
    *,
    callback_url: Annotated[
        str | None,
        typer.Option("--callback-url", "-c", metavar="URL", help="Where the webhook goes."),
    ] = None,
    event: Annotated[
        list[str] | None,
        typer.Option(metavar="TYPE", help="May be repeated. Default: task.ended."),
    ] = None,
    metadata: Annotated[
        str | None, typer.Option(metavar="JSON", help="Comes back in every event.")
    ] = None,
    param: Params = None,
    provider_key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY", envvar="PROVIDER_API_KEY", help="Your own key at the provider."
        ),
    ] = None,
    deadline: Annotated[
        str | None, typer.Option(metavar="DURATION", help="When to give up.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="LABEL", help="Label to learn durations by.")
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="standard, flat, form, query, or a chat robot's name.",
        ),
    ] = None,
    include_raw: Annotated[
        bool, typer.Option("--include-raw", help="Send the provider's own body as well.")
    ] = False,
    idempotency_key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="A repeat with the same key subscribes once."),
    ] = None,
    wait: Wait = None,
    url: Url = None,
    api_key: ApiKey = None,
    json: Json = False,
) -> None:
    """Ask the running bridge to tell of a task."""
    import asyncio

    body: dict[str, Any] = {
        "provider": provider,
        "task_id": task_id,
        "callback_url": callback_url,
        "events": event or None,
        "metadata": metadata_of(metadata),
        "params": pairs(param, "--param") or None,
        "provider_api_key": provider_key,
        "deadline": deadline,
        "model": model,
        "format": format_,
        "include_raw": include_raw or None,
    }
    given = {name: value for name, value in body.items() if value is not None}
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    subscription = asyncio.run(subscribed(url, api_key, given, headers, wait))
    if json:
        say(as_json(subscription))
        return
    say_facts(facts(subscription))
    told = callback_url is not None and wait is None
    if subscription.get("state") == "active" and not told:
        note(f"to see its end: {program()} show {plain(subscription['id'])} --wait 60")


async def subscribed(
    url: str | None,
    api_key: str | None,
    body: dict[str, Any],
    headers: dict[str, str],
    wait: int | None,
) -> dict[str, Any]:
    """The subscription as it is then: new, ended, or still active after `wait` seconds."""
    from bridge.cli.reaching import reached

    async with reached(url, api_key) as api:
        answer = await api.post("/subscribe", body, headers=headers)
        made = holding("id", answer.body)
        if wait is None:
            return made
        path = f"/subscriptions/{quote(str(made['id']), safe='')}"
        try:
            answer = await api.get(path, waiting(wait), wait_s=wait)
        except ClientError as error:
            raise CommandFailed(
                *error.lines,
                f"It is subscribed: {program()} show {made['id']}",
                code=exit_code(error),
            ) from error
    # Those about the request itself are told once, in the first answer.
    return holding("id", answer.body) | {"warnings": made.get("warnings", [])}


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


def metadata_of(text: str | None) -> Any:
    import json

    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageFault(f"--metadata: not JSON: {error}") from error
