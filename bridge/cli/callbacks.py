"""`callbacks test`: one sample, sent by a running bridge to where you say."""

from typing import Annotated, Any

import typer

from bridge.cli.exits import CommandFailed, UsageFault
from bridge.cli.options import ApiKey, Json, Url, pairs
from bridge.cli.output import as_json, facts, note, plain, say, say_facts

WAIT_S = 60  # the bridge's own deadline for an attempt, and more

app = typer.Typer(no_args_is_help=True, help="Try out where webhooks go.")


@app.command("test")
def tried(
    callback_url: Annotated[
        str, typer.Argument(metavar="CALLBACK_URL", help="Where the sample goes.")
    ],
    *,
    type_: Annotated[
        str | None,
        typer.Option("--type", metavar="TYPE", help="Default: task.succeeded."),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", metavar="FORMAT", help="As in a subscription."),
    ] = None,
    method: Annotated[
        str | None, typer.Option(metavar="METHOD", help="POST or GET.")
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Sent along; may be repeated."),
    ] = None,
    auth: Annotated[
        str | None,
        typer.Option(
            metavar="JSON",
            envvar="CALLBACK_AUTH",
            help='As in a subscription: {"type": "bearer", "token": "…"}.',
        ),
    ] = None,
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
        "format": format_,
        "method": method,
        "headers": pairs(header, "--header") or None,
        "auth": auth_of(auth),
    }
    given = {name: value for name, value in body.items() if value is not None}
    told = asyncio.run(answered(url, api_key, given))
    if json:
        say(as_json(told))
    else:
        say_facts(facts(told))
    if told["attempt"].get("outcome") != "accepted":
        raise CommandFailed(plain(told.get("hint") or "it was not accepted"))
    note("accepted")


async def answered(url: str | None, api_key: str | None, body: dict[str, Any]) -> Any:
    from bridge.cli.reaching import reached
    from bridge.cli.subscriptions import holding

    async with reached(url, api_key) as api:
        answer = await api.post("/callbacks/test", body, wait_s=WAIT_S)
    return holding("attempt", answer.body)


def auth_of(text: str | None) -> Any:
    import json

    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        raise UsageFault("--auth: not JSON") from None  # its words would quote it
