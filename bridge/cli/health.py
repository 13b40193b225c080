"""`health`: for containers and supervisors."""

from typing import Annotated

import typer

from bridge.cli.exits import CommandFailed
from bridge.cli.options import ConfigFile, Url
from bridge.cli.output import say
from bridge.errors import ClientError

HEALTHY = ({"status": "ready"}, {"status": "ok"})


def health(
    url: Url = None,
    config: ConfigFile = None,
    live: Annotated[
        bool,
        typer.Option("--live", help="Ask whether it is alive, not whether it is ready."),
    ] = False,
) -> None:
    """Ask the running bridge whether it is ready.

    Ends with 0 if it is, else with 1, as container health checks want it. Of the
    configuration nothing but the listen address is read.
    """
    import asyncio

    from bridge.cli.configuration import listening
    from bridge.cli.reaching import url_given

    place = url_given(url) if url else listening({"config": config})
    say(asyncio.run(asked(place, "/livez" if live else "/readyz")))


async def asked(url: str, path: str) -> str:
    """What the bridge says. Containers know no other exit codes than 0 and 1."""
    from bridge.client.connection import Connection

    try:
        async with Connection(url, agent="cli") as api:
            answer = await api.get(path)
    except ClientError as error:
        raise CommandFailed(*error.lines) from error
    if answer.body not in HEALTHY:
        raise CommandFailed(f"{url} answers, but not as poll-bridge does")
    return f"{url} is {answer.body['status']}"
