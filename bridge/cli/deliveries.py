"""`deliveries` and `retry`: what a running bridge had to send, and one attempt more."""

import time
from typing import Annotated, Any
from urllib.parse import quote

import typer

from bridge import duration, rfc3339
from bridge.cli import completing
from bridge.cli.asking import Cursor, got, posted, present, say_page
from bridge.cli.exits import UsageFault
from bridge.cli.options import ApiKey, Json, Limit, Url
from bridge.cli.output import (
    as_json,
    facts,
    note,
    plain,
    program,
    say,
    say_facts,
)

COLUMNS = (
    "id", "type", "host", "state", "attempt_count", "last_outcome", "last_http_status",
    "created_at", "given_up_at",
)  # fmt: skip

Since = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Made then or later: 2026-11-25T12:00:00Z, or how long ago: 2h.",
    ),
]
Until = Annotated[
    str | None, typer.Option(metavar="TIME", help="Made before; written like --since.")
]
Host = Annotated[
    str | None, typer.Option(metavar="HOST", help="Of the callback, without port.")
]
Subscription = Annotated[
    str | None, typer.Option(metavar="SUB_ID", help="Only this subscription's.")
]
Client = Annotated[
    str | None, typer.Option(metavar="NAME", help="Only this client's; for operators.")
]


def deliveries(
    *,
    state: Annotated[
        str | None,
        typer.Option(
            metavar="STATE",
            autocompletion=completing.delivery_states,
            help="exhausted, gone, retrying, accepted, …",
        ),
    ] = None,
    since: Since = None,
    until: Until = None,
    host: Host = None,
    subscription: Subscription = None,
    client: Client = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    url: Url = None,
    api_key: ApiKey = None,
    json: Json = False,
) -> None:
    """Show what was to be sent, newest first, and why it has not arrived."""
    import asyncio

    chosen = filters(since, until, host, subscription, client)
    wanted = chosen | {"state": state, "limit": str(limit), "cursor": cursor}
    page = asyncio.run(got(url, api_key, "/deliveries", present(wanted), key="items"))
    say_page(page, COLUMNS, row, json=json)
    if page["items"] and not json:
        note(f"what to do about one: {program()} show msg_…")


def row(delivery: dict[str, Any]) -> list[Any]:
    return [delivery.get(name) for name in COLUMNS]


def filters(
    since: str | None,
    until: str | None,
    host: str | None,
    subscription: str | None,
    client: str | None,
) -> dict[str, str | None]:
    """Which deliveries are meant, as the API has it. Raises UsageFault."""
    now = time.time()
    return {
        "since": since and moment(since, "--since", now),
        "until": until and moment(until, "--until", now),
        "host": host,
        "subscription_id": subscription,
        "client": client,
    }


def moment(text: str, option: str, now: float) -> str:
    """A time, or how long before `now`, as RFC 3339. Raises UsageFault.

    >>> moment("2h", "--since", 1795608000.0), moment("2026-11-25t12:00:00z", "--since", 0)
    ('2026-11-25T10:00:00Z', '2026-11-25T12:00:00Z')
    """
    try:
        return rfc3339.rfc3339(now - duration.seconds(text))
    except ValueError:
        pass
    try:
        return rfc3339.rfc3339(rfc3339.unix(text))
    except ValueError as error:
        raise UsageFault(f'{option}: {error}, or "2h" for two hours ago') from None


def retry(
    id_: Annotated[
        str,
        typer.Argument(
            metavar="MSG_ID", help="msg_…, as `show` tells it of a subscription."
        ),
    ],
    url: Url = None,
    api_key: ApiKey = None,
    json: Json = False,
) -> None:
    """Send a webhook once more, now.

    Its schedule goes on as if that had not been.
    """
    import asyncio

    if not id_.startswith("msg_"):
        raise UsageFault("give the id of a delivery, msg_…; `show` tells it")
    path = f"/deliveries/{quote(id_, safe='')}/retry"
    delivery = asyncio.run(posted(url, api_key, path, {}, key="id"))
    if json:
        say(as_json(delivery))
        return
    say_facts(facts(delivery))
    note(f"to see it: {program()} show {plain(delivery['id'])}")
