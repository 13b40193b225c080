"""What each receiver answers, over real HTTP, is dealt with as the table `answers` says."""

import re
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from bridge import formats
from bridge.assembly import USER_AGENT
from bridge.delivery.webhook import Sender
from bridge.model import AttemptOutcome, DeliveryState, Destination, Reply
from bridge.receivers.hints import hint
from bridge.receivers.known import LINES, recognised
from bridge.receivers.retry import Schedule, decide
from tests.answers import LATER, MAKE, N8N, ROWS, SOON, ZAPIER, Row
from tests.net.hostile import way_out
from tests.receivers.test_retry import DELIVERY

NOW = 1_795_176_000.0
A = AttemptOutcome


@dataclass(frozen=True)
class Wire:
    """One server that answers as any row, and the way to it, for all of them."""

    url: str
    sender: Sender

    async def answered(self, row: Row) -> Reply:
        """What comes back."""
        known = row.status is not None
        url = f"{self.url}{ROWS.index(row)}" if known else f"http://127.0.0.1:{unused()}/"
        to = Destination(url=url, host="127.0.0.1")
        body = None if row.method == "GET" else b"{}"
        reply = await self.sender.send(to, row.method, to.url, {}, body)
        return formats.judged(row.format, reply)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wire() -> AsyncIterator[Wire]:
    async def answer(request: web.Request) -> web.Response:
        row = ROWS[int(request.match_info["row"])]
        assert row.status is not None
        return web.Response(
            status=row.status, body=row.body.encode(), headers=dict(row.headers)
        )

    app = web.Application()
    app.router.add_route("*", "/{row}", answer)
    async with TestServer(app) as server, way_out() as egress:
        sender = Sender(egress, timeout_s=5, wall=lambda: NOW)
        yield Wire(str(server.make_url("/")), sender)


def unused() -> int:
    """A port at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def meaning(state: DeliveryState | None, in_s: float | None) -> str:
    if state is DeliveryState.RETRYING:
        assert in_s is not None
        return SOON if in_s <= 2 else LATER
    return str(state)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
async def test_each_answer_is_dealt_with_as_the_table_says(wire: Wire, row: Row) -> None:
    """
    The difference between these tools is folklore elsewhere; here it is tested.
    """
    claimed = replace(
        DELIVERY,
        destination=Destination(url=f"https://{row.host}/x", host=row.host),
        method=row.method,
        format=row.format,
        seen_lost=row.lost,
        failures=row.failures,
        manual=False,
    )
    reply = await wire.answered(row)
    verdict = decide(
        claimed, reply, schedule=Schedule(), now=claimed.created_at + 10, dice=0.5
    )
    in_s = verdict.next_at and verdict.next_at - claimed.created_at - 10
    assert verdict.outcome is row.outcome
    assert meaning(verdict.state, in_s) == row.next
    if row.says is None:
        assert verdict.hint is None
    else:
        assert verdict.hint
        assert row.says in verdict.hint


def test_a_409_is_repeated_soon_only_so_often() -> None:
    """
    What still answers so after seconds is no race any more.
    """
    reply = Reply(outcome=A.CONFLICT, http_status=409, body=b"is running already")
    claimed = replace(DELIVERY, conflicts=5)
    verdict = decide(claimed, reply, schedule=Schedule(), now=NOW, dice=0.5)
    assert verdict.next_at is None or verdict.next_at - NOW > 2


@pytest.mark.parametrize("line", LINES, ids=[line.text[:40] for line in LINES])
def test_each_line_is_reached_by_a_row(line: object) -> None:
    """
    Words that no test has seen are words that may stand behind others.
    """
    found = {recognised(row.status, row.body, row.host) for row in ROWS}
    assert getattr(line, "text", "") in found


def test_each_row_has_a_name_of_its_own() -> None:
    """
    A row that was copied and not changed tests nothing.
    """
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_our_name_is_none_of_a_bot() -> None:
    """
    n8n's “Ignore Bots” turns away every bare name/version, and whatever has a URL in it.
    """
    assert re.fullmatch(r"poll-bridge/[0-9a-z.]+ \([a-z-]+\)", USER_AGENT)
    assert "http" not in USER_AGENT


@pytest.mark.parametrize(
    "host", ["hooks.zapier.com.evil.test", "xhooks.zapier.com", "make.com", ""]
)
def test_a_host_is_known_whole(host: str) -> None:
    """
    Advice about another service sends people astray.
    """
    assert recognised(410, "", host) is None
    assert recognised(400, "", host) is None


@given(
    st.sampled_from([200, 400, 401, 403, 404, 409, 410, 413, 500]),
    st.text(max_size=200),
    st.sampled_from([N8N, MAKE, ZAPIER, "maker.ifttt.com", "s3cret.m.pipedream.net"]),
)
def test_no_answer_and_no_host_is_repeated(status: int, said: str, host: str) -> None:
    """
    Part of a host can be a password too.
    """
    reply = Reply(outcome=A.REFUSED, http_status=status, body=f"{said} T0PS3CRET".encode())
    words = hint(reply, "POST", host) or ""
    assert "T0PS3CRET" not in words
    assert "s3cret" not in words
