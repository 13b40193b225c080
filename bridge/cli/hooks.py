"""`hooks`: where the events of all one's subscriptions go as well, at a running bridge."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from bridge.cli import completing
from bridge.cli.asking import Cursor, got, posted, present, say_page
from bridge.cli.callbacks import WAIT_S, say_trial
from bridge.cli.calling import (
    Auth,
    Event,
    Format,
    Header,
    Method,
    RobotKeyword,
    RobotSecret,
    read,
    way,
)
from bridge.cli.exits import UsageFault
from bridge.cli.options import ApiKey, Json, Limit, Url
from bridge.cli.output import as_json, facts, plain, say, say_facts
from bridge.cli.progress import working
from bridge.cli.reading import Command

COLUMNS = ("id", "url", "events", "provider", "format", "created_at")

HookId = Annotated[
    str, typer.Argument(metavar="HOOK_ID", help="hook_…, as `hooks list` tells it.")
]

app = typer.Typer(
    no_args_is_help=True, help="Where the events of all subscriptions go as well."
)


@app.command("list", cls=Command)
def listed(
    *,
    limit: Limit = 50,
    cursor: Cursor = None,
    url: Url = None,
    api_key: ApiKey = None,
    json: Json = False,
) -> None:
    """Show the hooks, newest first."""
    import asyncio

    query = present({"limit": str(limit), "cursor": cursor})
    page = asyncio.run(got(url, api_key, "/hooks", query, key="items"))
    say_page(page, COLUMNS, row, json=json)


def row(hook: dict[str, Any]) -> list[Any]:
    return [*(hook[name] for name in COLUMNS[:2]), ", ".join(hook["events"])] + [
        hook[name] for name in COLUMNS[3:]
    ]


@app.command(cls=Command)
def add(
    hook_url: Annotated[
        str, typer.Argument(metavar="HOOK_URL", help="Where the events go.")
    ],
    *,
    event: Event = None,
    provider: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=completing.provider_names,
            help="Only tasks of this one.",
        ),
    ] = None,
    format_: Format = None,
    method: Method = None,
    header: Header = None,
    auth: Auth = None,
    robot_secret: RobotSecret = None,
    robot_keyword: RobotKeyword = None,
    signing_secret: Annotated[
        list[str] | None,
        typer.Option(
            metavar="whsec_…",
            envvar="HOOK_SIGNING_SECRET",
            help="Or @FILE that holds it; may be repeated. Default: one is made.",
        ),
    ] = None,
    url: Url = None,
    api_key: ApiKey = None,
    json: Json = False,
) -> None:
    """Have all events told there, until it is removed.

    The signing secret that was made for it is shown here only.
    """
    import asyncio

    secrets = [read(each, "--signing-secret") for each in signing_secret or ()]
    body = {
        "url": hook_url,
        "events": event or None,
        "provider": provider,
        "signing_secret": secrets or None,
        **way(
            format_=format_,
            method=method,
            header=header,
            auth=auth,
            robot_secret=robot_secret,
            robot_keyword=robot_keyword,
        ),
    }
    made = asyncio.run(posted(url, api_key, "/hooks", present(body), key="id"))
    if json:
        say(as_json(made))
    else:
        say_facts(facts(made))


@app.command(cls=Command)
def remove(
    hook_id: HookId, url: Url = None, api_key: ApiKey = None, json: Json = False
) -> None:
    """Tell it nothing more."""
    import asyncio

    asyncio.run(removed(url, api_key, path_of(hook_id)))
    say(as_json({"id": hook_id, "removed": True}) if json else f"removed: {plain(hook_id)}")


@app.command("test", cls=Command)
def tried(
    hook_id: HookId,
    *,
    type_: Annotated[
        str | None,
        typer.Option(
            "--type",
            metavar="TYPE",
            autocompletion=completing.event_types,
            help="Default: task.succeeded, or one that the hook is told of.",
        ),
    ] = None,
    url: Url = None,
    api_key: ApiKey = None,
    json: Json = False,
) -> None:
    """Send it one sample event, as it is called, and show what comes of it.

    Ends with 0 only if it was accepted.
    """
    import asyncio

    path, body = f"{path_of(hook_id)}/test", present({"type": type_})
    with working("waiting for the receiver", json=json):
        told = asyncio.run(posted(url, api_key, path, body, key="attempt", wait_s=WAIT_S))
    say_trial(told, json=json)


def path_of(hook_id: str) -> str:
    if not hook_id.startswith("hook_"):
        raise UsageFault("give the id of a hook, hook_…; `hooks list` tells it")
    return f"/hooks/{quote(hook_id, safe='')}"


async def removed(url: str | None, api_key: str | None, path: str) -> None:
    from bridge.cli.reaching import reached

    async with reached(url, api_key) as api:
        await api.ask("DELETE", path)
