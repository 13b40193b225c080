"""What docs/api.md says of fields, states and limits is what the code does."""

import re
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from bridge import duration, formats
from bridge.api import body, fields, form, idempotency, query, subscribing, views, wishing
from bridge.api.auth import Caller
from bridge.api.deliveries import READERS
from bridge.api.models import HookBody, SubscribeBody
from bridge.api.subscriptions import FILTERS
from bridge.model import (
    Attempt,
    AttemptOutcome,
    Delivery,
    DeliveryState,
    DeliverySummary,
    Hook,
    LastPoll,
    Outcome,
    PollOutcome,
    Status,
    Subscription,
    SubscriptionState,
)
from bridge.receivers import callback

PAGE = (Path(__file__).parent.parent.parent / "docs" / "api.md").read_text("utf-8")
WORDS = re.sub(r"\s+", " ", PAGE)
CLIENT = cast(Caller, SimpleNamespace(operator=False))
POLL = LastPoll(
    at=1, outcome=PollOutcome.PENDING, http_status=200, detail=None, since=1, count=1
)
SUBSCRIPTION = Subscription(
    id="sub_a",
    client="shop",
    provider="amux",
    task_id="t",
    callback_url=None,
    events=("task.ended",),
    metadata={},
    state=SubscriptionState.ACTIVE,
    status=None,
    outcome=None,
    progress=None,
    event=None,
    created_at=1,
    deadline_at=2,
    ended_at=None,
    last_poll=POLL,
    next_poll_at=None,
    delivery=DeliverySummary(id=None, state=DeliveryState.NONE),
)
DELIVERY = Delivery(
    id="msg_a_0",
    subscription_id="sub_a",
    client="shop",
    type="task.failed",
    callback_url="https://app.example/",
    host="app.example",
    state=DeliveryState.WAITING,
    attempts=0,
    last_outcome=None,
    hint=None,
    created_at=1,
    updated_at=1,
    next_attempt_at=None,
)
HOOK = Hook(
    id="hook_a",
    client="shop",
    url="https://app.example/",
    events=("task.ended",),
    provider=None,
    method="POST",
    format="standard",
    created_at=1,
    minted_secret=None,
)
ATTEMPT = Attempt(
    number=1,
    manual=False,
    started_at=1,
    finished_at=None,
    outcome=AttemptOutcome.UNKNOWN,
    http_status=None,
    detail=None,
    hint=None,
    answer=b"",
)


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def tables() -> list[list[tuple[str, str]]]:
    """Of each table its rows, the head among them."""
    blocks = re.findall(r"(?m)(?:^\|.*\n)+", PAGE)
    return [
        [
            (cells[0].strip(), cells[1].strip())
            for line in block.splitlines()
            if (cells := line.strip("|").split("|", 1)) and set(cells[0]) != {"-"}
        ]
        for block in blocks
    ]


def named(head: str, number: int = 0) -> dict[str, str]:
    """The names in the first column of the `number`-th table with this head, and what is
    said of each.
    """
    [_, *rows] = [table for table in tables() if table[0][0] == head][number]
    names = [(name, told) for cell, told in rows for name in quoted(cell)]
    assert len(dict(names)) == len(names)
    return dict(names)


def test_every_field_of_a_request_is_listed_and_no_other() -> None:
    """
    The page is what people write their first request by.
    """
    assert list(named("field")) == list(SubscribeBody.model_fields)


def test_every_field_of_a_subscription_is_listed_and_no_other() -> None:
    """
    A field that nobody was told of is one that nobody may rely on.
    """
    view = views.subscription_view(SUBSCRIPTION, CLIENT)
    listed = named("field", 1)
    assert list(listed) == list(view)
    assert quoted(listed["last_poll"]) == list(view["last_poll"])
    assert quoted(listed["delivery"]) == list(view["delivery"])


def test_every_field_of_a_delivery_is_listed_and_no_other() -> None:
    """
    These are read when a webhook did not come, in a hurry.
    """
    view = views.delivery_view(DELIVERY, CLIENT)
    assert list(named("field", 2)) == [*view, "attempts"]
    assert list(named("field of an attempt")) == list(views.attempt_view(ATTEMPT))


def test_every_field_of_a_hook_is_listed_and_no_other() -> None:
    """
    A no-code tool's app is written by this table.
    """
    assert set(named("field of POST /hooks")) == set(HookBody.model_fields)
    answer = re.search(r'```json\n(\{"id": "hook_.*?)```', PAGE, re.DOTALL)
    assert answer is not None
    shown = set(re.findall(r'"(\w+)": ', answer[1])) - {"warnings", "signing_secret"}
    assert shown == set(views.hook_view(HOOK, CLIENT))


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("`state`", SubscriptionState),
        ("`last_poll.outcome`", PollOutcome),
        ("`delivery.state`", DeliveryState),
        ("`outcome`, `last_outcome`", AttemptOutcome),
    ],
)
def test_every_word_of_a_closed_list_is_explained(head: str, words: Iterable[str]) -> None:
    """
    Programs branch on these words.
    """
    assert sorted(named(head)) == sorted(words)


def test_status_and_outcome_are_listed() -> None:
    """
    Likewise.
    """
    listed = named("field", 1)
    assert quoted(listed["status"]) == [*Status]
    assert quoted(listed["outcome"]) == [*Outcome]


def test_every_filter_is_listed() -> None:
    """
    A filter that is not there is an error, not an unfiltered list.
    """
    part = PAGE.split("\n## Lists")[1].split("\n## ")[0]
    of_subscriptions, of_deliveries = part.split("; `GET /deliveries` takes")
    assert set(FILTERS) <= set(quoted(of_subscriptions))
    told = set(quoted(of_deliveries.split("The answer")[0])) - {"client"}
    assert told == set(READERS)
    assert f"1 to {query.MAX_LIMIT}, default {query.DEFAULT_LIMIT}" in WORDS


@pytest.mark.parametrize(
    "told",
    [
        f"up to {callback.URL_CHARS:,} characters",
        f"up to {callback.HEADERS}, together {callback.HEADER_BYTES:,} bytes",
        f"up to {fields.METADATA_BYTES:,} bytes as JSON and {fields.METADATA_DEPTH} levels",
        f"up to {formats.METADATA_MOST:,} characters as it stands in the URL",
        f"up to {fields.EVENTS} of those",
        f"one or a list of up to {fields.SECRETS},",
        f"up to {fields.ENTRIES}, all text",
        f"up to {fields.LABEL_CHARS} characters",
        f"from {duration.text(fields.MIN_DEADLINE_S).replace('s', ' s')} up to",
        f"never above {wishing.LONGEST_DEADLINE_S / 86_400:.0f} d",
        f"Up to {idempotency.MAX_CHARS} printable",
        f"up to {subscribing.BATCH_ITEMS:,} items and {subscribing.BATCH_BYTES >> 20} MiB",
        f"may have {body.MAX_BYTES >> 20} MiB",
        f"Up to {form.MAX_FIELDS:,} fields, {form.MAX_DEPTH} levels",
        f"At most {query.MAX_WAIT_S:.0f} s",
    ],
)
def test_the_limits_it_tells_are_those_that_hold(told: str) -> None:
    """
    Whoever plans by a limit meets it in production, not in a test.
    """
    assert told in WORDS
