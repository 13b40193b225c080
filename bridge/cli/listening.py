"""`listen`: a receiver on this machine, to watch webhooks arrive."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.exits import UsageFault
from bridge.cli.options import ConfigFile, Dev, Json, Secrets
from bridge.cli.output import as_json, note, plain, program, say
from bridge.cli.wording import event_of, spoken

if TYPE_CHECKING:
    from aiohttp import web

PORT = 9000
TEXT_MOST = 200  # characters of a webhook that is not one of ours


def listen(
    *,
    port: Annotated[
        int,
        typer.Option(
            metavar="PORT", min=0, max=65_535, help="Port to listen on; 0: any free one."
        ),
    ] = PORT,
    secret: Secrets = None,
    status: Annotated[
        int,
        typer.Option(
            metavar="STATUS", min=200, max=599, help="What to answer each webhook with."
        ),
    ] = 200,
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

    from bridge.cli.proving import secrets_for

    secrets = secrets_for(secret, {"config": config}, dev=dev)
    receiver = Receiver(secrets, status=status, count=count, json=json)
    asyncio.run(receiver.listen(port))


class Receiver:
    """Answers every request with `status`, and prints what it was."""

    def __init__(
        self, secrets: Sequence[str], *, status: int, count: int | None, json: bool
    ) -> None:
        self._secrets, self._status, self._json = secrets, status, json
        self._left = count

    async def listen(self, port: int) -> None:
        """Until SIGINT, SIGTERM, or the last webhook that is wanted."""
        import asyncio
        import signal

        from bridge.simulator.loopback import Loopback

        self._stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for caught in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(caught, self._stop.set)
        server = Loopback(self._serve, port=port)
        try:
            introduce(await server.start(), verified=bool(self._secrets))
            await self._stop.wait()
        except OSError as error:
            raise UsageFault(f"--port {port}: {error.strerror}; choose another") from error
        finally:
            await server.stop()

    async def _serve(self, request: "web.BaseRequest") -> "web.StreamResponse":
        from aiohttp import web

        from bridge.simulator.proof import fault_of

        path, _, query = request.raw_path.partition("?")
        # A GET has no body: its signature covers the query as sent.
        body = await request.read() if request.method != "GET" else query.encode()
        headers = {name.lower(): value for name, value in request.headers.items()}
        at = time.time()
        told = {
            "at": at,
            "method": request.method,
            "path": path,
            "webhook_id": headers.get("webhook-id"),
            "verified": None,
            "reason": "there is no secret to verify with",
            "answered": self._status,
            "event": event_of(body, request.method),
        }
        if self._secrets:
            reason = fault_of(body, headers, self._secrets, now=at)
            told |= {"verified": reason is None, "reason": reason}
        say(as_json(told, indent=None) if self._json else line(told, body))
        self._count()
        return web.Response(status=self._status)

    def _count(self) -> None:
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                self._stop.set()


def introduce(url: str, *, verified: bool) -> None:
    note(f"listening on {url}/")
    if not verified:
        note("without a secret: signatures are not verified (--secret)")
    note(f"to try it: {program()} subscribe sandbox succeed-10s --callback-url {url}/")


def line(told: Mapping[str, Any], body: bytes) -> str:
    """One webhook on one line: proven or not, what of which task, and the result."""
    clock = time.strftime("%H:%M:%S", time.localtime(told["at"]))
    mark = {True: "✓", False: "✗", None: "?"}[told["verified"]]
    event = told["event"]
    said = spoken(event) if event else [body[:TEXT_MOST].decode("utf-8", "replace")]
    why = [f"({told['reason']})"] if told["verified"] is False else []
    asked = f"{told['method']} {told['path']} → {told['answered']}"
    return " ".join(plain(each) for each in (clock, mark, asked, *said, *why) if each)
