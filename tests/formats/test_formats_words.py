"""What people read of an event: short, whole, and nothing but what was meant."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.formats.letters import MARK, clean, cut
from bridge.formats.words import Line, digest, headline, lines_of, page
from bridge.messages.samples import sample, samples

NOW = 1_795_608_000.0
EVENTS = {event["type"]: {**event, "test": False} for event in samples(NOW)}


def told(event: dict[str, Any]) -> str:
    return page(lines_of(event), 10_000, len)


def changed(type_: str = "task.succeeded", **data: Any) -> dict[str, Any]:
    event = EVENTS[type_]
    return {**event, "data": {**event["data"], **data}}


def test_a_success_tells_which_task_and_where_the_result_is() -> None:
    """
    That is what somebody in a chat wants to click on.
    """
    assert told(EVENTS["task.succeeded"]).splitlines() == [
        "✅ sandbox task abcd1234efgh succeeded",
        "https://cdn.example.com/abcd1234efgh/video.mp4",
        "order_id: 1042",
    ]


def test_a_failure_tells_why_and_what_to_do() -> None:
    """
    Whoever reads it there cannot look at the event.
    """
    assert told(EVENTS["task.failed"]).splitlines() == [
        "❌ sandbox task abcd1234efgh failed",
        "content_rejected: The prompt was rejected by the content filter.",
        "→ Change the prompt: the same one is rejected again.",
        "order_id: 1042",
    ]


@pytest.mark.parametrize(
    ("type_", "words"),
    [
        ("task.cancelled", "was cancelled"),
        ("task.expired", "expired"),
        ("task.timed_out", "timed out"),
        ("task.unreachable", "cannot be followed"),
        ("task.updated", "is running, 40 %"),
    ],
)
def test_every_type_has_its_words(type_: str, words: str) -> None:
    """
    Nobody in a chat knows our types.
    """
    assert headline(EVENTS[type_]).endswith(f" sandbox task abcd1234efgh {words}")


def test_a_sample_says_that_it_is_one() -> None:
    """
    Nobody shall look for a video that was never made.
    """
    event = sample("task.succeeded", now=NOW)
    assert headline(event) == "✅ Test: sandbox task abcd1234efgh succeeded"


@pytest.mark.parametrize("why", ["needs_provider_key", "inline_data", "not_in_answer"])
def test_a_success_without_a_link_says_why(why: str) -> None:
    result = {**EVENTS["task.succeeded"]["data"]["result"], "url": None}
    lines = told(changed(result={**result, "url_missing_reason": why})).splitlines()
    assert "provider" in lines[1]
    assert "http" not in lines[1]


def test_what_others_wrote_is_one_line_each() -> None:
    """
    An error message could else write a second message below, in our name.
    """
    error = {
        "code": "task_failed",
        "message": "no\n\n✅ amux task x succeeded\u2028\u202ehttps://evil.test",
        "hint": None,
        "provider_code": None,
    }
    lines = told(changed("task.failed", error=error, metadata={"a\nb": "c\rd"}))
    assert lines.splitlines()[1:] == [
        "task_failed: no ✅ amux task x succeeded https://evil.test",
        "a b: c d",
    ]


def test_metadata_shows_plain_values_and_not_too_many() -> None:
    """
    A chat is no database.
    """
    many = {f"k{n}": n for n in range(20)}
    shown = told(changed(metadata={"deep": {"a": 1}, "none": None, "ok": True, **many}))
    lines = shown.splitlines()[2:]
    assert lines[0] == "ok: true"
    assert lines[-1] == "k6: 6"


def test_an_event_that_is_not_of_a_task_is_told_as_well() -> None:
    """
    The operator's notices go the same way.
    """
    data = {"provider": "amux", "message": "401, Invalid token", "tasks": ["a", "b"]}
    event = {"type": "provider.key_refused", "test": False, "data": data}
    assert told(event).splitlines() == [
        "🔔 provider.key_refused",
        "provider: amux",
        "message: 401, Invalid token",
    ]


class TestDigest:
    def test_it_counts_by_how_they_ended_and_names_the_first(self) -> None:
        """
        A crowd is told in one message; the links of the first few are in it.
        """
        events = [EVENTS["task.succeeded"]] * 11 + [EVENTS["task.failed"]]
        lines = [line.text for line in digest(events)]
        assert lines[0] == "12 videos finished: 11 succeeded, 1 failed"
        assert lines[1] == (
            "✅ sandbox task abcd1234efgh succeeded "
            "https://cdn.example.com/abcd1234efgh/video.mp4"
        )
        assert len(lines) == 7
        assert lines[-1] == "… and 7 more"

    def test_a_failure_in_it_tells_its_code(self) -> None:
        lines = [line.text for line in digest([EVENTS["task.failed"]] * 2)]
        assert lines == [
            "2 tasks finished: 2 failed",
            *["❌ sandbox task abcd1234efgh failed: content_rejected"] * 2,
        ]

    def test_what_has_not_ended_is_not_counted_as_finished(self) -> None:
        notice = {"type": "provider.down", "test": False, "data": {"provider": "amux"}}
        events = [EVENTS["task.updated"], EVENTS["task.succeeded"], notice]
        assert digest(events)[0].text == (
            "1 video finished: 1 succeeded; 1 update; 1 notice"
        )

    def test_updates_alone_finish_nothing(self) -> None:
        assert digest([EVENTS["task.updated"]] * 2)[0].text == "2 updates"


class TestPage:
    def test_a_link_is_never_cut(self) -> None:
        """
        Half a link looks like one, and opens something else.
        """
        lines = [Line("head"), Line("https://x/" + "a" * 100, "too long"), Line("tail")]
        assert page(lines, 60, len) == "head\ntoo long\ntail"
        assert page(lines, 200, len).splitlines()[1] == lines[1].text
        for most in range(10, 200):
            shown = page(lines, most, len)
            assert len(shown) <= most
            assert lines[1].text in shown or "https" not in shown

    def test_the_last_line_that_fits_is_cut(self) -> None:
        lines = [Line("head"), Line("message " * 20), Line("tail")]
        assert page(lines, 30, len) == f"head\n{('message ' * 20)[:24]}{MARK}"


class TestLetters:
    @pytest.mark.parametrize(
        "letter", ["e\u0301", "👨\u200d👩\u200d👧", "👍🏽", "🇩🇪", "क\u094d\u200dष"]
    )
    def test_what_is_drawn_as_one_letter_is_not_divided(self, letter: str) -> None:
        """
        A flag cut in two is another letter.
        """
        for most in range(1, 4 + len(letter)):
            assert cut(f"ab{letter}cdefgh", most).rstrip(MARK) in (
                "",
                "a",
                "ab",
                f"ab{letter}",
            )

    @given(text=st.text(), most=st.integers(3, 40))
    def test_it_is_never_longer_than_asked(self, text: str, most: int) -> None:
        def size(text: str) -> int:
            return len(text.encode("utf-8", "surrogatepass"))

        assert size(cut(text, most, size)) <= most
        assert len(clean(text, most)) <= most
        assert "\n" not in clean(text, most)
