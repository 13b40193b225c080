"""Ids that repeat exactly and can never be mistaken for one another."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.messages.ids import END, event_id, message_id, parse_message_id

RANDOM = st.from_regex(r"[A-Za-z0-9]{1,22}", fullmatch=True)
SEQUENCE = st.integers(0, 10**9 - 1)
HOOK = st.none() | RANDOM.map("hook_{}".format)


def test_an_id_is_derived_from_the_subscription_and_the_number() -> None:
    """
    A restored backup computes the same id again, and the receiver drops the repeat.
    """
    assert message_id("sub_k3J9", END) == "msg_k3J9_0"
    assert message_id("sub_k3J9", 12, "hook_x7") == "msg_k3J9_12_x7"
    assert event_id("sub_k3J9", 12) == "evt_k3J9_12"


@pytest.mark.parametrize(
    "subscription_id",
    ["", "k3J9", "sub_", "sub_a.b", "sub_a_b", "sub_a-b", "sub_é", "sub_a\n", "msg_a"],
)
def test_an_id_of_another_form_is_refused(subscription_id: str) -> None:
    """
    A full stop would make the signed text ambiguous, a "_" two ids equal.
    """
    with pytest.raises(ValueError, match="not an id"):
        message_id(subscription_id, 0)
    with pytest.raises(ValueError, match="not an id"):
        event_id(subscription_id, 0)
    with pytest.raises(ValueError, match="not an id"):
        message_id("sub_a", 0, subscription_id.replace("sub_", "hook_").replace("msg", ""))


def test_events_are_counted_from_the_end() -> None:
    """
    A negative number would put a second sign into the id.
    """
    with pytest.raises(ValueError, match="counted from 0"):
        message_id("sub_a", -1)
    with pytest.raises(ValueError, match="counted from 0"):
        event_id("sub_a", -1)


@given(SEQUENCE, SEQUENCE, RANDOM, RANDOM, HOOK, HOOK)
def test_two_different_messages_never_share_an_id(
    one: int, two: int, a: str, b: str, first: str | None, second: str | None
) -> None:
    """
    A receiver that remembers ids would drop the second of them.
    """
    left, right = (f"sub_{a}", one, first), (f"sub_{b}", two, second)
    assert (message_id(*left) == message_id(*right)) is (left == right)


@given(RANDOM, SEQUENCE, HOOK)
def test_an_id_leads_back_to_its_subscription(
    random: str, sequence: int, hook: str | None
) -> None:
    """
    Deliveries are found by their id alone; and it fits into a header as it is.
    """
    text = message_id(f"sub_{random}", sequence, hook)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", text)
    assert parse_message_id(text) == (
        f"sub_{random}",
        sequence,
        hook and hook.removeprefix("hook_"),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "msg_",
        "msg_a",
        "msg_a_",
        "msg_a_b",
        "msg_a_01",
        "msg_a_-1",
        "msg_a_1_",
        "msg_a_1_b_c",
        "msg_a_1\n",
        "evt_a_1",
        "msg_a_" + "9" * 19,
        "msg_a_١",
    ],
)
def test_what_is_not_an_id_of_ours_leads_nowhere(text: str) -> None:
    """
    Callers put anything into a path; a number beyond 64 bits would upset the database.
    """
    assert parse_message_id(text) is None
