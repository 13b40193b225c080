"""`show`: what became of a subscription, told from its beginning."""

from typing import Any

import pytest

from bridge.cli.story import Line, delivery_of, laid_out, told_of
from tests.cli.commands import Bridge, invoke, told

AT, LATER = "2026-11-25T12:00:00Z", "2026-11-25T12:00:07.500Z"
ACTIVE: dict[str, Any] = {
    "callback_url": None, "events": ["task.ended"], "state": "active", "status": None,
    "outcome": None, "progress": None, "result": None, "error": None, "created_at": AT,
    "deadline_at": LATER, "ended_at": None, "last_poll": None, "next_poll_at": LATER,
}  # fmt: skip
ATTEMPT: dict[str, Any] = {
    "number": 1, "manual": False, "started_at": AT, "finished_at": LATER,
    "outcome": "refused", "http_status": 500, "detail": None, "answer": "no " * 200,
    "hint": "look into its log",
}  # fmt: skip
DELIVERY: dict[str, Any] = {
    "id": "msg_1_0", "hook_id": None, "type": "task.failed", "host": "app.example.com",
    "state": "retrying", "created_at": AT, "hint": "look into its log",
    "next_attempt_at": LATER, "given_up_at": None, "attempts": [ATTEMPT],
}  # fmt: skip


def texts(subscription: dict[str, Any], **further: Any) -> list[str]:
    nothing = {"polls": 0, "updates": [], "changes": [], "deliveries": [], "cut": False}
    story = nothing | further
    return [line.text for line in told_of(story | {"subscription": ACTIVE | subscription})]


def test_what_has_just_begun_is_told() -> None:
    """There is nothing yet, and that is said."""
    assert texts({}) == [
        "subscribed",
        "watches only; told of task.ended",
        "next poll",
        "will be given up, without an end before",
    ]


def test_polls_that_come_to_nothing_are_told_with_their_reason() -> None:
    """That is where to look first if no webhook came."""
    poll = {
        "at": LATER, "outcome": "auth", "http_status": 401, "detail": "bad key",
        "since": AT, "count": 7,
    }  # fmt: skip
    steps = [{"at": AT, "status": "queued", "progress": None}]
    changes = [
        {"at": AT, "outcome": "pending", "status": "queued"},
        {"at": LATER, "outcome": "auth", "status": None},
    ]
    seen = {"last_poll": poll, "status": "running", "progress": 40}
    further = {"polls": 1_200, "updates": steps, "changes": changes}
    assert texts(seen | {"callback_url": "http://app/"}, **further)[1:8] == [
        "calls http://app/ on task.ended",
        "seen: queued",
        "seen: auth",
        "told: queued",
        "polled 1,200 times: the last 7: auth, HTTP 401, since 2026-11-25 12:00:00Z",
        "bad key",
        "the provider says: running 40 %",
    ]


@pytest.mark.parametrize(
    ("end", "says"),
    [
        (
            {"outcome": "succeeded", "result": {"url": "https://cdn/v"}},
            ["ended: succeeded, after 7.5 s", "https://cdn/v"],
        ),
        (
            {
                "outcome": "succeeded",
                "result": {"url": None, "url_missing_reason": "inline_data"},
            },
            ["ended: succeeded, after 7.5 s", "no link: inline_data"],
        ),
        (
            {
                "outcome": "failed",
                "error": {"message": "it broke", "provider_code": "E1", "hint": "mend it"},
            },
            ["ended: failed, after 7.5 s", "it broke (E1)", "→ mend it"],
        ),
    ],
)
def test_each_end_is_told_with_what_came_of_it(
    end: dict[str, Any], says: list[str]
) -> None:
    ended = {"state": "ended", "ended_at": LATER, "next_poll_at": None} | end
    assert texts(ended)[2:] == says


def test_a_stopped_one_has_no_end() -> None:
    stopped = texts({"state": "stopped", "next_poll_at": None}, cut=True)
    assert stopped[2:] == [
        "stopped: nothing more is polled or sent",
        "there is more: the newest are shown",
    ]


def test_each_attempt_is_told_and_the_same_advice_once() -> None:
    """A schedule has thirteen attempts, which mostly fail alike."""
    again = ATTEMPT | {"number": 2, "manual": True, "answer": None, "detail": "500 or so"}
    lines = [*delivery_of(DELIVERY | {"attempts": [ATTEMPT, again]})]
    assert [line.text[:48] for line in lines] == [
        "delivery of task.failed to app.example.com: retr",
        "msg_1_0",
        "attempt 1: refused HTTP 500 in 7.500 s",
        "it answered: no no no no no no no no no no no no",
        "attempt 2 by hand: refused HTTP 500 in 7.500 s",
        "500 or so",
        "→ look into its log",
        "next attempt",
    ]
    assert len(lines[3].text) < 220


def test_advice_without_an_attempt_of_its_own_is_told_too() -> None:
    """Another delivery has found out that the receiver is gone."""
    gone = DELIVERY | {"state": "gone", "given_up_at": AT, "next_attempt_at": None}
    lines = [*delivery_of(gone | {"hook_id": "hook_1", "attempts": []})]
    assert [line.text for line in lines] == [
        "delivery of a hook of task.failed to app.example.com: gone",
        "msg_1_0",
        "→ look into its log",
        "given up",
    ]
    [(at, text)] = laid_out(lines[-1:])
    assert at[0] + text[0] == "2026-11-25 12:00:00Z  given up"


def test_an_attempt_under_way_has_no_duration() -> None:
    [line, *_] = [
        each
        for each in delivery_of(
            DELIVERY | {"attempts": [ATTEMPT | {"finished_at": None, "http_status": None}]}
        )
        if each.depth == 1 and each.at
    ]
    assert line == Line(AT, "attempt 1: refused", "yellow", 1)


def test_the_real_command_tells_it(served: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a real bridge; programs get all of it."""
    monkeypatch.chdir(served.folder)
    monkeypatch.setenv("BRIDGE_URL", served.url)
    closed = ("-c", "http://127.0.0.1:9/story", "--wait", "20")
    made = told("subscribe", "sandbox", "fail-0s-story", *closed)
    while not (timeline := told("show", made["id"])["timeline"])["deliveries"][0][
        "attempts"
    ]:
        pass
    assert timeline["polls"] >= 1
    said = invoke("show", made["id"])
    assert "\ndelivery.state " in said.stdout
    assert "ended: failed, after" in said.stdout
    assert "attempt 1: connect_error" in said.stdout
    alone = invoke("show", timeline["deliveries"][0]["id"])
    assert "attempt 1: connect_error" in alone.stdout
    assert "\ncallback_url " in alone.stdout
