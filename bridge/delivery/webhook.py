"""Sends one attempt to one callback. Whatever happens is a Reply, not an error."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import closing

import aiohttp
from multidict import CIMultiDict

from bridge.model import AttemptOutcome, Destination, Reply
from bridge.net.body import read_into
from bridge.net.failure import FAILURES, failure
from bridge.net.guard import Egress
from bridge.net.header import header_text
from bridge.net.retry_after import retry_after_s
from bridge.receivers.hints import redirection

READ_BYTES = 65_536  # of an answer: enough to free the connection for the next attempt
KEPT_BYTES = 4096
NOTED = ("allow", "content-type", "retry-after", "server", "via")
NOTED_CHARS = 200
SPECIAL = {
    409: AttemptOutcome.CONFLICT,
    410: AttemptOutcome.GONE,
    429: AttemptOutcome.THROTTLED,
}


class Sender:
    """`wall` tells wall time, against which a date in Retry-After is read."""

    def __init__(
        self, egress: Egress, *, timeout_s: float, wall: Callable[[], float]
    ) -> None:
        self._egress, self._timeout_s, self._wall = egress, timeout_s, wall

    async def send(
        self,
        destination: Destination,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> Reply:
        """One deadline holds over name, connection, TLS, headers and body.

        `headers` win over the destination's own. Once a status has come it alone decides:
        a receiver that said 2xx has accepted, whatever becomes of the rest of its answer.
        """
        sent = CIMultiDict(destination.headers)
        sent.update(headers)
        response, answer = None, bytearray()
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._egress.request(
                    method, url, headers=sent, body=body, timeout_s=self._timeout_s
                )
                with closing(response):
                    await read_into(answer, response, READ_BYTES)
        except FAILURES as error:
            if response is None:
                outcome, detail = failure(error)
                return Reply(outcome=outcome, detail=detail)
        return self._reply(response, bytes(answer[:KEPT_BYTES]))

    def _reply(self, response: aiohttp.ClientResponse, body: bytes) -> Reply:
        outcome = _outcome(response.status)
        redirected = outcome is AttemptOutcome.REDIRECTED and response.status != 304
        location = header_text(response.headers.get("Location"))
        return Reply(
            outcome=outcome,
            http_status=response.status,
            detail=redirection(location) if redirected else None,
            retry_after_s=retry_after_s(response.headers.get("Retry-After"), self._wall()),
            content_type=header_text(response.headers.get("Content-Type")),
            headers=noted(response.headers),
            body=body,
        )


def noted(headers: Mapping[str, str]) -> dict[str, str]:
    """Those that help to see who has answered, and why so.

    >>> noted({"Server": "nginx", "Set-Cookie": "a=b"})
    {'server': 'nginx'}
    """
    found = {name: header_text(headers.get(name.title())) for name in NOTED}
    return {name: text[:NOTED_CHARS] for name, text in found.items() if text}


def _outcome(status: int) -> AttemptOutcome:
    """Standard Webhooks, "Webhook response status codes"; 409 is n8n's "not ready yet".

    >>> [_outcome(status).value for status in (204, 301, 404, 409, 410, 429)]
    ['accepted', 'redirected', 'refused', 'conflict', 'gone', 'throttled']
    """
    if 200 <= status < 300:
        return AttemptOutcome.ACCEPTED
    if 300 <= status < 400:
        return AttemptOutcome.REDIRECTED
    return SPECIAL.get(status, AttemptOutcome.REFUSED)
