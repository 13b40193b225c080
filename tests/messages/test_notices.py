"""What is worth telling the operator, and how often, by pure rules."""

from typing import Any

import pytest

from bridge import formats
from bridge.messages import events, notices
from bridge.messages.notices import (
    DOWN,
    EXHAUSTED,
    GONE,
    KEY_ACCEPTED,
    KEY_REFUSED,
    LATE,
    RECOVERED,
    TYPES,
    UNKNOWN_STATUS,
    Lost,
    Notice,
    Seen,
    Told,
    event_of,
    news,
    sample,
)
from bridge.portable import encode

NOW = 1_800_000_000.0


def told(before: Told, seen: Seen) -> list[tuple[str, str]]:
    return [(one.type, one.subject) for one in news(before, seen)]


def test_a_refused_key_is_told_when_it_is_refused_and_when_it_works_again() -> None:
    refused = Seen(refused={"amux": NOW})
    before = Told()
    assert told(before, refused) == [(KEY_REFUSED, "amux")]
    after = before.after(refused)
    assert told(after, refused) == [], "it is no news any more"
    assert told(after, Seen()) == [], "nothing is known: nobody has asked since"
    works = Seen(accepted=frozenset({"amux", "rong"}))
    assert told(after, works) == [(KEY_ACCEPTED, "amux")], "rong's never was refused"
    assert told(after.after(works), works) == []


def test_a_provider_that_is_down_is_told_until_it_answers() -> None:
    down = Seen(down={"amux": NOW})
    after = Told().after(down)
    assert told(Told(), down) == [(DOWN, "amux")]
    assert told(after, down) == []
    assert told(after, Seen()) == [], "after a restart nobody knows"
    assert told(after, Seen(up={"amux": NOW + 1})) == [(RECOVERED, "amux")]
    assert after.after(Seen(up={"amux": NOW + 1})) == Told()


def test_what_another_node_heard_before_says_nothing_of_now() -> None:
    """It has not asked since, and remembers how well it went."""
    after = Told().after(Seen(down={"amux": NOW}))
    assert told(after, Seen(up={"amux": NOW - 60})) == []
    assert told(after.after(Seen(up={"amux": NOW - 60})), Seen(down={"amux": NOW})) == []


def test_each_backlog_is_late_from_five_minutes_on() -> None:
    late = Seen(late={"polls": 299.0, "deliveries": 301.0})
    assert told(Told(), late) == [(LATE, "deliveries")]


def test_what_was_lost_is_told_by_client() -> None:
    """A client with ten thousand hosts that hang is one notice."""
    lost = Seen(
        exhausted={"shop": Lost(3, "app.test", "msg_a_0")}, gone={"blog": Lost(1, "b.test")}
    )
    one, other = news(Told(), lost)
    assert (one.type, one.subject, one.data["count"]) == (EXHAUSTED, "shop", 3)
    assert one.message == "3 webhooks were given up: of shop, the last to app.test"
    assert (other.type, other.subject, other.data["host"]) == (GONE, "blog", "b.test")


def test_a_word_that_nobody_knows_is_told_with_its_provider() -> None:
    [one] = news(Told(), Seen(words=[("amux", "half_done")]))
    assert (one.type, one.subject, one.data["word"]) == (
        UNKNOWN_STATUS,
        "amux",
        "half_done",
    )


def event(notice: Notice, **more: Any) -> dict[str, Any]:
    return event_of(notice, "sub_k3J9", 7, NOW, **more)


def test_a_notice_comes_in_the_envelope_of_all_events() -> None:
    [one] = news(Told(), Seen(refused={"amux": NOW - 60}))
    assert event(one) == {
        "id": "msg_k3J9_7",
        "event_id": "evt_k3J9_7",
        "type": "provider.key_refused",
        "timestamp": "2027-01-15T08:00:00Z",
        "version": events.VERSION,
        "test": False,
        "data": {
            "message": "amux refuses its configured key",
            "hint": notices.HINTS[KEY_REFUSED],
            "provider": "amux",
            "since": "2027-01-15T07:59:00Z",
            "word": None,
            "client": None,
            "host": None,
            "delivery_id": None,
            "count": None,
            "backlog": None,
            "age_seconds": None,
            "observed_at": "2027-01-15T08:00:00Z",
        },
    }


ALL = Seen(
    refused={"a": NOW},
    down={"b": NOW},
    accepted=frozenset({"c"}),
    up={"d": NOW + 1},
    words=[("e", "word")],
    exhausted={"shop": Lost(1, "h", "msg_a_0")},
    gone={"shop": Lost(1, "h")},
    late={"polls": 900.0},
)
BEFORE = Told(frozenset({"c"}), {"d": NOW})


def test_every_type_can_be_told_and_has_the_same_keys() -> None:
    """Tools map fields by name from one sample."""
    found = [*news(BEFORE, ALL)]
    assert sorted(one.type for one in found) == sorted(TYPES)
    keys = {tuple(event(one)["data"]) for one in found}
    assert keys == {tuple(event(sample(LATE))["data"])}


@pytest.mark.parametrize("format_name", formats.FORMATS)
@pytest.mark.parametrize("type_", TYPES)
def test_a_notice_goes_in_any_format(format_name: str, type_: str) -> None:
    body = encode(event(sample(type_), test=True))
    assert type_.encode() in formats.payload(format_name, body)
    assert f"type={type_}" in formats.query(body)


def test_flat_is_one_level() -> None:
    [one] = news(Told(), Seen(late={"polls": 900.0}))
    found = formats.flat(event(one))
    assert found["message"] == "polls are 15 minutes late"
    assert not any(isinstance(value, list | dict) for value in found.values())
