"""The trace of a subscription: derived, or the caller's own that goes on."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from bridge.delivery.sending import send_signed
from bridge.messages.samples import sample
from bridge.model import AttemptOutcome, Destination, Reply, Robot
from bridge.portable import encode
from bridge.signature import verify
from bridge.traces import Trace, accepted, trace_of
from tests.conftest import START
from tests.world import SECRETS

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GIVEN = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([GIVEN], GIVEN),
        ([f" {GIVEN}\t"], GIVEN),
        ([f"00-{TRACE}-{SPAN}-00"], f"00-{TRACE}-{SPAN}-00"),
        ([f"00-{TRACE}-{SPAN}-ff"], f"00-{TRACE}-{SPAN}-03"),  # unknown flags are not ours
        ([f"cc-{TRACE}-{SPAN}-01-what-comes"], GIVEN),  # a version to come is read as this
        ([f"cc-{TRACE}-{SPAN}-01"], GIVEN),
        ([], None),
        ([""], None),
        ([GIVEN, GIVEN], None),
        ([f"{GIVEN},{GIVEN}"], None),
        ([f"00-{TRACE}-{SPAN}-01-more"], None),
        ([f"cc-{TRACE}-{SPAN}-01.more"], None),
        ([f"ff-{TRACE}-{SPAN}-01"], None),
        ([f"00-{'0' * 32}-{SPAN}-01"], None),
        ([f"00-{TRACE}-{'0' * 16}-01"], None),
        ([GIVEN.upper()], None),
        ([GIVEN[:-1]], None),
        ([f"00-{TRACE[:-1]}\u0661-{SPAN}-01"], None),
        ([GIVEN + "\n"], None),
    ],
)
def test_what_of_a_callers_header_is_taken(values: Sequence[str], kept: str | None) -> None:
    """W3C Trace Context, 3.2: what cannot be read is as if it had not been sent."""
    assert accepted(values) == kept
    assert kept is None or accepted([kept]) == kept


def test_ids_are_derived_so_whoever_asks_is_told_the_same() -> None:
    """Any node, after any crash; and no two subscriptions share one."""
    one, other = trace_of("sub_k3J9"), trace_of("sub_k3J8")
    assert one == trace_of("sub_k3J9")
    assert {one.trace_id, one.span_id}.isdisjoint({other.trace_id, other.span_id})
    assert (one.parent_id, one.sampled) == (None, True)
    assert accepted([one.header]) == one.header


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("02", False)])
def test_the_callers_trace_goes_on(flags: str, sampled: bool) -> None:
    """In a span of our own below it; whether that is sampled is the caller's word."""
    trace = trace_of("sub_k3J9", f"00-{TRACE}-{SPAN}-{flags}")
    own = trace_of("sub_k3J9").span_id
    assert trace == Trace(trace_id=TRACE, span_id=own, parent_id=SPAN, flags=int(flags, 16))
    assert trace.sampled is sampled
    assert trace.header == f"00-{TRACE}-{own}-{flags}"


class Noted:
    """A receiver that notes what it was sent."""

    headers: dict[str, str]
    body: bytes | None

    async def send(
        self, destination: Destination, method: str, url: str, headers: Any, body: Any
    ) -> Reply:
        self.headers, self.body = dict(headers), body
        return Reply(outcome=AttemptOutcome.ACCEPTED, http_status=200)


TO = Destination(url="https://app.test/hook", host="app.test")


async def sent(to: Destination, **how: Any) -> Noted:
    noted = Noted()
    given = {"format_name": "standard", "method": "POST", "traceparent": GIVEN} | how
    await send_signed(
        noted,
        to,
        [encode(sample("task.succeeded", now=START))],
        message_id="msg_k3J9_0",
        secrets=[SECRETS["shop"]],
        at=START,
        **given,
    )
    return noted


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_program_is_told_the_trace_and_proves_the_rest(method: str) -> None:
    """A proxy on the way may write another: so it is no part of what is signed."""
    noted = await sent(TO, method=method)
    assert noted.headers["traceparent"] == GIVEN
    if method == "POST":
        noted.headers["traceparent"] = "00-of-somebody-else"
        assert verify(noted.body or b"", noted.headers, SECRETS["shop"], now=START)


@pytest.mark.parametrize("name", ["traceparent", "TraceParent"])
async def test_a_callbacks_own_header_wins(name: str) -> None:
    noted = await sent(replace(TO, headers={name: "theirs"}))
    told = {key.lower(): value for key, value in noted.headers.items()}
    assert told["traceparent"] == "theirs"
    assert len(told) == len(noted.headers)


@pytest.mark.parametrize("kind", ["slack", "feishu"])
async def test_a_chat_robot_is_part_of_no_trace(kind: str) -> None:
    noted = await sent(replace(TO, robot=Robot(kind=kind)), format_name=kind)
    assert "traceparent" not in noted.headers


async def test_a_trial_is_part_of_no_trace() -> None:
    noted = await sent(TO, traceparent=None)
    assert "traceparent" not in noted.headers
