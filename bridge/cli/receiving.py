"""Webhooks that arrive on this machine, shown and answered: `listen`."""

import asyncio
import signal
import time
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from bridge.cli.exits import UsageFault
from bridge.cli.forwarding import Forwarded, Forwarder
from bridge.cli.output import as_json, note, plain, program, say, unread
from bridge.cli.streams import OutputLost
from bridge.cli.wording import event_of, spoken
from bridge.simulator.loopback import Loopback
from bridge.simulator.proof import fault_of

ANSWER = 200
TEXT_MOST = 200  # characters of a webhook that is not one of ours


class Receiver:
    """Answers every request, with `answer` if it is given, and prints what it was."""

    def __init__(
        self,
        secrets: Sequence[str],
        forwarder: Forwarder | None = None,
        *,
        answer: int | None,
        count: int | None,
        json: bool,
    ) -> None:
        self._secrets, self._forwarder = secrets, forwarder
        self._answer, self._json, self._left = answer, json, count
        self._to = forwarder.url if forwarder else ""
        self._stop = asyncio.Event()
        self._lost: OutputLost | None = None

    async def listen(self, port: int) -> None:
        """Until SIGINT, SIGTERM, the last webhook that is wanted, or nobody reads of it.

        Raises UsageFault, OutputLost.
        """
        loop = asyncio.get_running_loop()
        for caught in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(caught, self._stop.set)
        server = Loopback(self.serve, port=port)
        try:
            url = await server.start()
            introduce(url, verified=bool(self._secrets), forwarder=self._forwarder)
            await self._stop.wait()
            if self._lost:
                raise self._lost
        except OSError as error:
            raise UsageFault(f"--port {port}: {error.strerror}; choose another") from error
        finally:
            await server.stop()

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        # A GET has no body: its signature covers the query as sent.
        body = await request.read() if request.method != "GET" else query.encode()
        headers = {name.lower(): value for name, value in request.headers.items()}
        at = time.time()
        told: dict[str, Any] = {
            "at": at,
            "method": request.method,
            "path": path,
            "webhook_id": headers.get("webhook-id"),
            "verified": None,
            "reason": "there is no secret to verify with",
            "answered": self._answer or ANSWER,
            "event": event_of(body, request.method),
            "forwarded": None,
        }
        if self._secrets:
            reason = fault_of(body, headers, self._secrets, now=at)
            told |= {"verified": reason is None, "reason": reason}
        began = time.monotonic()
        try:
            done = await self._forwarded(request, headers, query)
        except asyncio.CancelledError:
            self._show(told | self._left_alone(time.monotonic() - began), body)
            raise
        if done:
            told |= {"answered": self._answer or done.status}
            told |= {"forwarded": forwarded_to(self._to, done)}
        self._show(told, body)
        self._count()
        return response_of(told["answered"], done if self._answer is None else None)

    async def _forwarded(
        self, request: web.BaseRequest, headers: Mapping[str, str], query: str
    ) -> Forwarded | None:
        if self._forwarder is None:
            return None
        body = await request.read()
        return await self._forwarder.send(request.method, headers, query, body)

    def _left_alone(self, after_s: float) -> dict[str, Any]:
        """What there is to tell when nobody waits for our answer any more."""
        who = "this command has ended" if self._stop.is_set() else "the caller left first"
        done = Forwarded(failure=who, duration_s=after_s)
        return {"answered": None, "forwarded": forwarded_to(self._to, done)}

    def _show(self, told: Mapping[str, Any], body: bytes) -> None:
        try:
            say(as_json(told, indent=None) if self._json else line(told, body))
        except (BrokenPipeError, OutputLost) as error:
            unread()  # the caller is answered all the same, or it would come again
            self._lost = error if isinstance(error, OutputLost) else None
            self._stop.set()

    def _count(self) -> None:
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                self._stop.set()


def response_of(status: int, forwarded: Forwarded | None) -> web.Response:
    if forwarded is None:
        return web.Response(status=status)
    body = forwarded.body or (forwarded.failure or "").encode()
    return web.Response(status=status, body=body, headers=forwarded.headers)


def forwarded_to(url: str, done: Forwarded) -> dict[str, Any]:
    return {
        "url": url,
        "http_status": done.http_status,
        "failure": done.failure,
        "body": done.body.decode("utf-8", "replace"),
        "duration_s": round(done.duration_s, 3),
    }


def introduce(url: str, *, verified: bool, forwarder: Forwarder | None) -> None:
    note(f"listening on {url}/")
    if forwarder:
        note(f"forwarding to {plain(forwarder.url)}")
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
    asked = f"{told['method']} {told['path']} → {plain(told['answered'])}"
    first = " ".join(plain(each) for each in (clock, mark, asked, *said, *why) if each)
    return f"{first}\n{passed_on(told['forwarded'])}" if told["forwarded"] else first


def passed_on(forwarded: Mapping[str, Any]) -> str:
    """What the receiver behind has made of it."""
    took = f"in {forwarded['duration_s']:.3f} s"
    if forwarded["failure"]:
        what = f"gave no answer: {forwarded['failure']} ({took})"
    else:
        body = forwarded["body"].strip()[:TEXT_MOST]
        what = f"answered {forwarded['http_status']} {took}{f': {body}' if body else ''}"
    return f"         ↳ {plain(forwarded['url'])} {plain(what)}"
