"""The verdict finds each way in which a bridge may break its promises."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from bridge.simulator.demo import board
from bridge.simulator.demo.evidence import Evidence, judge
from bridge.simulator.demo.plan import tasks
from bridge.simulator.receiver import Received

OK, FLAKY, DEAD = PLAN = tasks(
    """
    amux  succeed-2s  /ok       succeeded
    rong  expire-2s   /flaky/1  expired
    amux  fail-2s     /dead     failed
    """
)
SUBSCRIPTIONS = {OK: "sub_a", FLAKY: "sub_b", DEAD: "sub_c"}
OBSERVED = "2027-01-15T08:00:00Z"
OBSERVED_AT = 1_800_000_000.0


def request(
    subscription: str = "sub_a", *, path: str = "/ok", status: int = 200, **more: Any
) -> Received:
    task = {"sub_a": "succeeded", "sub_b": "expired", "sub_c": "failed"}.get(subscription)
    event = {
        "type": f"task.{task}",
        "data": {"subscription_id": subscription, "observed_at": OBSERVED},
    }
    received = Received(
        at=OBSERVED_AT + 0.25,
        method="POST",
        path=path,
        query="",
        headers={},
        body=json.dumps(event).encode(),
        webhook_id="",
        fault=None,
        status=status,
    )
    return replace(received, **more)


def refused(subscription: str, path: str, status: int) -> Received:
    return request(subscription, path=path, status=status)


GOOD: Mapping[str, Sequence[Received]] = {
    "msg_a": [request()],
    "msg_b": [refused("sub_b", "/flaky/1", 500), refused("sub_b", "/flaky/1", 200)],
    "msg_c": [refused("sub_c", "/dead", 503)] * 6,
}


def evidence(**changes: Sequence[Received]) -> Evidence:
    return Evidence(
        subscriptions=SUBSCRIPTIONS,
        received={k: v for k, v in {**GOOD, **changes}.items() if v},
        deliveries={"sub_c": "exhausted"},
        ended_at={OK: OBSERVED_AT - 1, FLAKY: OBSERVED_AT - 1},
        polls={OK: 3, FLAKY: 4, DEAD: 5},
        exit_code=0,
    )


def test_a_bridge_that_kept_its_promises_passes() -> None:
    """
    Refusals and a dead receiver are part of a normal day.
    """
    verdict = judge(PLAN, evidence())
    assert verdict.faults == ()
    assert verdict.passed
    assert (verdict.told, verdict.tasks, verdict.attempts, verdict.polls) == (3, 3, 9, 12)
    assert verdict.duplicates == 0
    assert verdict.seen_to_received_s == pytest.approx(0.25)
    assert verdict.ended_to_received_s == pytest.approx(1.25)


def test_an_event_on_one_level_is_read_as_well() -> None:
    """
    Tools without code are sent it so.
    """
    nested = json.loads(request().body)
    flat = {"type": nested["type"], **nested["data"]}
    told = request(body=json.dumps(flat).encode())
    verdict = judge(PLAN, evidence(msg_a=[told]))
    assert verdict.faults == ()
    assert verdict.seen_to_received_s == pytest.approx(0.25)


def test_the_board_says_how_a_receiver_is_told() -> None:
    """
    Who looks for the format finds it there.
    """
    [flat] = tasks("amux succeed-2s /ok succeeded flat")
    assert (OK.told, flat.told) == ("/ok", "/ok, flat")


def test_an_end_accepted_twice_under_one_id_is_counted_but_no_fault() -> None:
    """
    At least once is the promise; the id is what tells a repetition.
    """
    verdict = judge(PLAN, evidence(msg_a=[request(), request()]))
    assert (verdict.faults, verdict.duplicates) == ((), 1)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"msg_a": []}, "amux/succeed-2s-n1: its end was never accepted"),
        (
            {"msg_a": [request(status=500)]},
            "amux/succeed-2s-n1: its end was never accepted",
        ),
        ({"msg_a2": [request()]}, "amux/succeed-2s-n1: one end under 2 webhook-ids"),
        ({"msg_a": [request(fault="no")]}, "amux/succeed-2s-n1: not proven: no"),
        (
            {"msg_a": [request(path="/else")]},
            "amux/succeed-2s-n1: sent to another receiver than /ok",
        ),
        (
            {"msg_a": [request(), request(body=request().body + b" ")]},
            "amux/succeed-2s-n1: its attempts differ in their bodies",
        ),
        (
            {"msg_a": [request(body=request().body.replace(b"succeeded", b"failed"))]},
            "amux/succeed-2s-n1: told task.failed, not task.succeeded",
        ),
        ({"msg_x": [request("sub_x")]}, "msg_x: nobody asked for it"),
        ({"msg_x": [request(body=b"rubbish")]}, "msg_x: nobody asked for it"),
        ({"msg_x": [request(body=b"[]")]}, "msg_x: nobody asked for it"),
        ({"": [request(body=b"{}")]}, "a request without webhook-id: nobody asked for it"),
    ],
)
def test_a_broken_promise_is_named(changes: dict[str, list[Received]], fault: str) -> None:
    """
    One fault each, so that the one line leads to the cause.
    """
    assert judge(PLAN, evidence(**changes)).faults == (fault,)


def test_a_dead_receivers_delivery_must_be_exhausted() -> None:
    """
    Given up silently, or tried for ever, are both wrong.
    """
    for deliveries, state in (({}, "unknown"), ({"sub_c": "retrying"}, "retrying")):
        verdict = judge(PLAN, replace(evidence(), deliveries=deliveries))
        [fault] = verdict.faults
        assert fault.endswith(f"delivery is {state}, not exhausted")
        assert verdict.told == 2


def test_a_refused_subscription_is_the_only_fault_of_its_task() -> None:
    """
    What was not accepted is not owed.
    """
    seen = Evidence(refusals={OK: "422 no"}, exit_code=0)
    assert judge([OK], seen).faults == ("amux/succeed-2s-n1: not subscribed: 422 no",)


@pytest.mark.parametrize("code", [None, -9, 1])
def test_a_bridge_that_does_not_end_cleanly_fails(code: int | None) -> None:
    """
    SIGTERM loses nothing and exits 0.
    """
    [fault] = judge(PLAN, replace(evidence(), exit_code=code)).faults
    assert f"ended with {code}, not 0" in fault


def test_figures_that_cannot_be_had_are_not_invented() -> None:
    """
    An event without times must not become a delay of zero.
    """
    bare = request(body=b'{"type": "task.succeeded", "data": {"subscription_id": "sub_a"}}')
    seen = replace(evidence(msg_a=[bare]), ended_at={})
    verdict = judge(PLAN, seen)
    assert (verdict.seen_to_received_s, verdict.ended_to_received_s) == (None, None)
    assert "seen to told   not known" in "\n".join(board.summary(verdict))


def test_the_state_of_a_task_follows_its_way() -> None:
    """
    People read the table from top to bottom while it moves.
    """
    seen = evidence()
    assert board.state(OK, Evidence()) == "subscribing"
    assert board.state(OK, Evidence(refusals={OK: "no"})) == "refused"
    assert board.state(OK, Evidence(subscriptions=SUBSCRIPTIONS)) == "waiting"
    assert (
        board.state(OK, Evidence(subscriptions=SUBSCRIPTIONS, polls={OK: 1})) == "polling"
    )
    assert board.state(FLAKY, evidence(msg_b=GOOD["msg_b"][:1])) == "retrying"
    assert [board.state(task, seen) for task in PLAN] == ["told", "told", "exhausted"]


def shown(*, terminal: bool, before: Evidence, after: Evidence) -> str:
    console = Console(force_terminal=terminal, width=100, record=True, quiet=False)
    with console.capture() as written, board.Board(console) as live:
        live.show(board.rows(PLAN, before))
        live.show(board.rows(PLAN, after))
    return written.get()


def test_without_a_terminal_each_change_is_one_plain_line() -> None:
    """
    A log has no cursor to move, and figures alone are no news.
    """
    text = shown(terminal=False, before=evidence(msg_b=[]), after=evidence())
    assert text.splitlines() == [
        "amux/succeed-2s-n1 -> /ok: told, 3 polls, 1 attempts",
        "rong/expire-2s-n2 -> /flaky/1: polling, 4 polls, 0 attempts",
        "amux/fail-2s-n3 -> /dead: exhausted, 5 polls, 6 attempts",
        "rong/expire-2s-n2 -> /flaky/1: told, 4 polls, 2 attempts",
    ]


def test_on_a_terminal_a_table_shows_every_task() -> None:
    """
    The whole state at one glance.
    """
    text = shown(terminal=True, before=Evidence(), after=evidence())
    assert "\x1b[" in text
    for word in ("provider", "expire-2s-n2", "/flaky/1", "exhausted", "told"):
        assert word in text


def test_the_summary_ends_with_the_verdict() -> None:
    """
    The last line is what people look at.
    """
    passed = board.summary(judge(PLAN, evidence()))
    assert passed[0] == "ends told      3 of 3"
    assert passed[-1] == "passed"
    failed = board.summary(judge(PLAN, evidence(msg_a=[])))
    assert failed[-2:] == [
        "FAULT amux/succeed-2s-n1: its end was never accepted",
        "failed: 1 faults",
    ]
