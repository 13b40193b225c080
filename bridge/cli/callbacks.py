"""`callbacks test`: one sample, sent by a running bridge to where you say."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from bridge.cli import completing
from bridge.cli.asking import posted, present
from bridge.cli.calling import (
    Format,
    Header,
    Method,
    RobotKeyword,
    auth_option,
    robot_secret_option,
    way,
)
from bridge.cli.exits import CommandFailed
from bridge.cli.options import ApiKey, Json, Url
from bridge.cli.output import as_json, facts, note, plain, say, say_facts
from bridge.cli.progress import working
from bridge.cli.reading import Command

WAIT_S = 60  # the bridge's own deadline for an attempt, and more

app = typer.Typer(no_args_is_help=True, help="Try out where webhooks go.")


@app.command("test", cls=Command)
def tried(
    callback_url: Annotated[
        str, typer.Argument(metavar="CALLBACK_URL", help="Where the sample goes.")
    ],
    *,
    type_: Annotated[
        str | None,
        typer.Option(
            "--type",
            metavar="TYPE",
            autocompletion=completing.event_types,
            help="Default: task.succeeded.",
        ),
    ] = None,
    format_: Format = None,
    method: Method = None,
    header: Header = None,
    auth: Annotated[str | None, auth_option("CALLBACK_AUTH")] = None,
    robot_secret: Annotated[str | None, robot_secret_option("ROBOT_SECRET")] = None,
    robot_keyword: RobotKeyword = None,
    url: Url = None,
    api_key: ApiKey = None,
    json: Json = False,
) -> None:
    """Send one sample event, and show what comes of it.

    Ends with 0 only if it was accepted.
    """
    import asyncio

    body = {
        "callback_url": callback_url,
        "type": type_,
        **way(
            format_=format_,
            method=method,
            header=header,
            auth=auth,
            robot_secret=robot_secret,
            robot_keyword=robot_keyword,
        ),
    }
    with working("waiting for the receiver", json=json):
        path, body = "/callbacks/test", present(body)
        told = asyncio.run(posted(url, api_key, path, body, key="attempt", wait_s=WAIT_S))
    say_trial(told, json=json)


def say_trial(told: Mapping[str, Any], *, json: bool) -> None:
    """Raises CommandFailed unless it was accepted."""
    if json:
        say(as_json(told))
    else:
        say_facts(facts(told))
    if told["attempt"].get("outcome") != "accepted":
        raise CommandFailed(plain(told.get("hint") or "it was not accepted"))
    note("accepted")
