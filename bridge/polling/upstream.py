"""Asks a provider one question. Whatever happens is an Answer, not an error."""

import asyncio
from contextlib import closing

from bridge.model import Answer, AttemptOutcome, PollRequest
from bridge.net.body import ByteBudget, read_capped
from bridge.net.failure import FAILURES, failure
from bridge.net.guard import Egress
from bridge.net.header import plain_headers

CAP = 32 * 1024 * 1024


class Upstream:
    """`cap` is how large one answer may be; `budget` bounds all that are being read."""

    def __init__(self, egress: Egress, *, cap: int = CAP, budget: ByteBudget) -> None:
        self._egress, self._cap, self._budget = egress, cap, budget

    async def ask(self, request: PollRequest) -> Answer:
        """One deadline, `request.timeout_s`, holds from the name to the body's last byte.

        A redirect is never followed, least of all with a key: it is an answer like others.
        `failure` is the value of an AttemptOutcome.
        """
        try:
            async with asyncio.timeout(request.timeout_s):
                return await self._ask(request)
        except FAILURES as error:
            outcome, words = failure(error)
            detail = words if outcome is AttemptOutcome.PROXY_ERROR else None
            return Answer(http_status=None, failure=outcome.value, detail=detail)

    async def _ask(self, request: PollRequest) -> Answer:
        response = await self._egress.request(
            request.method,
            request.url,
            headers=request.headers,
            body=request.body,
            timeout_s=request.timeout_s,
            way=request.way,
        )
        with closing(response):
            body, too_large = await read_capped(response, self._cap, self._budget)
        return Answer(
            http_status=response.status,
            headers=plain_headers(response.headers),
            body=body,
            too_large=too_large,
        )
