"""`replay`: one attempt more of each of many deliveries, by a running bridge."""

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from bridge.cli import completing
from bridge.cli.asking import posted
from bridge.cli.deliveries import Client, Host, Since, Subscription, Until, filters
from bridge.cli.exits import CommandFailed, UsageFault
from bridge.cli.options import ApiKey, Json, Url
from bridge.cli.output import as_json, note, program, say
from bridge.cli.progress import working

REPLAY_S = 600.0  # for very many; what was taken by then stays taken


def replay(
    *,
    state: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATE",
            autocompletion=completing.delivery_states,
            help="exhausted, gone, presumed, accepted, retrying or waiting; may be "
            "repeated. Default: exhausted.",
        ),
    ] = None,
    since: Since = None,
    until: Until = None,
    host: Host = None,
    subscription: Subscription = None,
    client: Client = None,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="At most so many, the oldest first."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count them.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    url: Url = None,
    api_key: ApiKey = None,
    json: Json = False,
) -> None:
    """Send many webhooks once more: those that were given up, or others."""
    import asyncio

    chosen = filters(since, until, host, subscription, client)
    wanted = {**chosen, "state": state or None, "limit": limit}
    body = {name: value for name, value in wanted.items() if value is not None}
    counted = 0
    if dry_run or not yes:
        with working("counting", json=json):
            told = asyncio.run(replayed(url, api_key, body | {"dry_run": True}))
        counted, body = int(told["count"]), body | meant(told)
    if not dry_run and (yes or confirmed(counted)):
        many = f"{counted:,} deliveries" if counted else "them"
        with working(f"having {many} tried once more", json=json):
            counted = int(asyncio.run(replayed(url, api_key, body))["count"])
    if json:
        say(as_json({"count": counted}))
    else:
        say(f"{'would be' if dry_run else 'are'} tried once more: {counted}")
    if counted and not dry_run:
        note(f"to see them: {program()} deliveries")


def meant(told: Mapping[str, Any]) -> dict[str, Any]:
    """What limits a replay to those that were counted.

    >>> meant({"count": 7, "until": "2026-11-25T12:00:00.001Z"})
    {'limit': 7, 'until': '2026-11-25T12:00:00.001Z'}
    >>> meant({"count": 7, "as_of": "2026-11-25T12:00:00Z"})
    {'limit': 7, 'as_of': '2026-11-25T12:00:00Z'}
    >>> meant({"count": 0})
    {}
    """
    bounds = {name: told.get(name) for name in ("until", "as_of")}
    given = {"limit": told["count"], **bounds}
    return {name: value for name, value in given.items() if value}


def confirmed(count: int) -> bool:
    """Whether there is anything to do; the user has said yes. Raises CommandFailed."""
    if not count:
        return False
    note(f"Try {count} deliveries once more? [y/N]")  # typer's would write to the output
    answer = sys.stdin.readline()
    if not answer:
        raise UsageFault("--yes: give it where nobody can be asked")
    if answer.strip().lower() not in ("y", "yes"):
        raise CommandFailed("nothing was done")
    return True


async def replayed(
    url: str | None, api_key: str | None, body: Mapping[str, Any]
) -> dict[str, Any]:
    """How many there are, and until when, or how many were taken."""
    path = "/deliveries/retry"
    return await posted(url, api_key, path, body, key="count", wait_s=REPLAY_S)
