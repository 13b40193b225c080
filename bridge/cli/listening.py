"""`listen`: a receiver on this machine, to watch webhooks arrive."""

from typing import Annotated

import typer

from bridge.cli.options import ConfigFile, Dev, Json, Secrets

PORT = 9000


def listen(
    *,
    port: Annotated[
        int,
        typer.Option(
            metavar="PORT", min=0, max=65_535, help="Port to listen on; 0: any free one."
        ),
    ] = PORT,
    secret: Secrets = None,
    forward: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Send each on to this receiver, as it came, and answer what it answers.",
        ),
    ] = None,
    answer: Annotated[
        int | None,
        typer.Option(
            "--answer",
            "--status",
            metavar="STATUS",
            min=200,
            max=599,
            help="What to answer each webhook with. Default: what --forward is answered, "
            "else 200.",
        ),
    ] = None,
    count: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="End after so many webhooks.")
    ] = None,
    json: Json = False,
    config: ConfigFile = None,
    dev: Dev = False,
) -> None:
    """Receive webhooks on this machine, and show whether each is proven.

    On 127.0.0.1, any path will do. Ctrl-C ends it, with 0. The bridge must be allowed to
    call this machine: `serve --dev` is, others need it in `callbacks.allow_networks`.
    """
    import asyncio

    from bridge.cli.forwarding import forwarder_for
    from bridge.cli.proving import secrets_for
    from bridge.cli.receiving import Receiver

    secrets = secrets_for(secret, {"config": config}, dev=dev)
    forwarder = forwarder_for(forward, port) if forward is not None else None
    receiver = Receiver(secrets, forwarder, answer=answer, count=count, json=json)
    asyncio.run(receiver.listen(port))
