"""`tail`: what happens at a running bridge, as it happens."""

import math
from typing import Annotated

import typer

from bridge.cli import completing
from bridge.cli.options import ApiKey, Json, Url


def tail(
    *,
    provider: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            autocompletion=completing.provider_names,
            help="Only of this provider; may be repeated.",
        ),
    ] = None,
    type_: Annotated[
        list[str] | None,
        typer.Option(
            "--type",
            metavar="TYPE",
            autocompletion=completing.event_types,
            help="Only of this type; may be repeated. task.ended: all six ends.",
        ),
    ] = None,
    subscription: Annotated[
        list[str] | None,
        typer.Option(metavar="SUB_ID", help="Only of this subscription; may be repeated."),
    ] = None,
    count: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="End after so many events.")
    ] = None,
    url: Url = None,
    api_key: ApiKey = None,
    json: Json = False,
) -> None:
    """Show events as they happen, until Ctrl-C, which ends it with 0.

    With --json, one object on a line. When the connection is lost, it is made again; what
    happens meanwhile is not shown.
    """
    import asyncio

    from bridge.cli.following import Tail, until_interrupted, wanted_of
    from bridge.cli.reaching import reached

    wanted = wanted_of(provider, type_, subscription)
    connection = reached(url, api_key, retry_for_s=math.inf)
    asyncio.run(until_interrupted(Tail(wanted, count=count, json=json), connection))
