"""`deliveries` and `replay` against a real bridge."""

import json
from typing import Any

import pytest

from tests.cli.commands import Bridge, invoke, told

CLOSED = "http://127.0.0.1:9/"  # nobody listens there


@pytest.fixture
def at(served: Bridge, monkeypatch: pytest.MonkeyPatch) -> str:
    """In the bridge's directory, as a second terminal is."""
    monkeypatch.chdir(served.folder)
    monkeypatch.setenv("BRIDGE_URL", served.url)
    return served.url


def refused(task_id: str, path: str) -> dict[str, Any]:
    """A subscription whose end nobody takes; its delivery was tried once."""
    subscribed = ("subscribe", "sandbox", task_id, "-c", CLOSED + path, "--wait", "20")
    subscription: dict[str, Any] = told(*subscribed)
    while told("show", subscription["id"])["delivery"]["state"] != "retrying":
        pass
    return subscription


def attempts(subscription: dict[str, Any]) -> list[bool]:
    """Of its delivery: whether each was by hand."""
    shown = told("show", subscription["delivery"]["id"])
    return [each["manual"] for each in shown["attempts"]]


def test_many_are_counted_and_tried_once_more(at: str) -> None:
    """Count first, then do: with the same filters."""
    mended = refused("fail-0s-replayed", "replayed")
    filters = ("--state", "retrying", "--subscription", mended["id"], "--host", "127.0.0.1")
    since = ("--since", "1h")
    assert told("replay", *filters, "--client", "nobody", "--dry-run") == {"count": 0}
    assert told("replay", *filters, *since, "--dry-run") == {"count": 1}
    assert told("replay", *filters, "--until", "1h", "--dry-run") == {"count": 0}
    counted = invoke("replay", *filters, "--dry-run")
    assert counted.stdout == "would be tried once more: 1\n"
    assert True not in attempts(mended)

    done = invoke("replay", *filters, *since, "--yes")
    assert (done.exit_code, done.stdout) == (0, "are tried once more: 1\n")
    while True not in attempts(mended):
        pass


def test_nothing_is_sent_before_somebody_has_said_yes(at: str) -> None:
    """It cannot be taken back."""
    mended = refused("fail-0s-asked", "asked")
    replay = ("replay", "--state", "retrying", "--subscription", mended["id"])
    declined = invoke(*replay, stdin=b"n\n")
    assert (declined.exit_code, declined.stdout) == (1, "")
    assert "Try 1 deliveries once more?" in declined.stderr
    assert "nothing was done" in declined.stderr
    nobody = invoke(*replay, stdin=b"")
    assert (nobody.exit_code, "--yes" in nobody.stderr) == (2, True)
    assert told(*replay, "--dry-run") == {"count": 1}

    agreed = invoke(*replay, "--json", stdin=b"y\n")
    assert (agreed.exit_code, json.loads(agreed.stdout)) == (0, {"count": 1})


def test_where_there_is_nothing_nobody_is_asked(at: str) -> None:
    none = invoke("replay", "--state", "gone", "--state", "exhausted")
    assert (none.exit_code, none.stdout) == (0, "are tried once more: 0\n")
    assert none.stderr == ""


def test_deliveries_are_listed_with_what_became_of_them(at: str) -> None:
    """Who looks for dead letters finds them here, and why."""
    subscription = refused("fail-0s-listed", "listed")
    chosen = ("deliveries", "--subscription", subscription["id"], "--since", "1h")
    page = told(*chosen, "--state", "retrying", "--limit", "1")
    [item] = page["items"]
    assert item["id"] == subscription["delivery"]["id"]
    assert (item["last_outcome"], item["last_http_status"]) == ("connect_error", None)
    assert (item["given_up_at"], page["next_cursor"]) == (None, None)
    table = invoke(*chosen)
    assert "connect_error" in table.stdout
    assert "show msg_…" in table.stderr
    assert told(*chosen, "--state", "exhausted") == {"items": [], "next_cursor": None}
    assert invoke(*chosen, "--state", "exhausted").stderr == ""


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("replay", "--since", "yesterday"), 2, "--since: a time is written like"),
        (("replay", "--until", "-1h"), 2, "two hours ago"),
        (("replay", "--since", "1h", "--until", "2h", "--yes"), 1, "later than"),
        (("replay", "--state", "stopped", "--yes"), 1, "must be one or several of"),
        (("replay", "--limit", "0"), 2, "--limit"),
        (("deliveries", "--state", "dead"), 1, "must be one of"),
        (("deliveries", "--since", "soon"), 2, "--since"),
    ],
)
def test_faults_are_told_before_anything_is_done(
    at: str, args: tuple[str, ...], code: int, says: str
) -> None:
    result = invoke(*args)
    assert (result.exit_code, says in result.stderr) == (code, True), result.stderr
