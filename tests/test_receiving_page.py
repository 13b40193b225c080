"""What docs/receiving.md says of events and schedules is what the code does."""

import json
import re
from pathlib import Path
from typing import Any

from bridge import duration
from bridge.formats import flat
from bridge.messages import events
from bridge.model import ErrorCode, Observation, Outcome, PollOutcome, Status, UrlMissing
from bridge.receivers.retry import Schedule
from bridge.receivers.robots import LIMITS

PAGE = (Path(__file__).parent.parent / "docs" / "receiving.md").read_text("utf-8")
FACTS = events.SubscriptionFacts(
    id="sub_k3J9", provider="amux", task_id="t", metadata={"order": 7}
)
SUCCESS = Observation(outcome=PollOutcome.ENDED, status=Status.SUCCEEDED)


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without the table's own head."""
    part = PAGE.split(f"\n## {heading}")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("| ")][1:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def made() -> dict[str, Any]:
    """The end of a task that succeeded."""
    return events.end_event(
        FACTS,
        Outcome.SUCCEEDED,
        SUCCESS,
        observed_at=1.0,
        ended_at=1.0,
        status=Status.SUCCEEDED,
        progress=100,
    )


def test_the_example_has_the_keys_of_a_real_event() -> None:
    """
    People map fields by the example before they have seen an event.
    """
    [block] = re.findall(r"(?ms)^```json\n(.*?)^```$", PAGE)
    example = json.loads(block)
    assert list(example) == list(made())
    assert list(example["data"]) == list(made()["data"])
    assert list(example["data"]["result"]) == list(made()["data"]["result"])


def test_every_type_is_listed() -> None:
    """
    A type that nobody was told of is a webhook that nobody deals with.
    """
    listed = [quoted(kind)[0] for kind, _, _ in rows("The events")]
    assert sorted(listed) == sorted(events.TYPES)


def test_every_error_code_is_listed() -> None:
    """
    Flows branch on the code; one that is missing here falls through.
    """
    listed = [code for _, _, codes in rows("The events") for code in quoted(codes)]
    assert sorted(listed) == sorted(ErrorCode)


def test_every_reason_for_a_missing_url_is_listed() -> None:
    """
    A task that succeeded without a link is the case people plan for least.
    """
    assert [each for each in UrlMissing if f"`{each}`" not in PAGE] == []


def test_every_key_of_the_flat_form_is_listed() -> None:
    """
    No-code tools know nothing but these keys.
    """
    listed = [key for keys, _ in rows("One level") for key in quoted(keys)]
    spread = [key for key in flat(made()) if key.startswith("metadata_")]
    assert spread == ["metadata_order"]
    assert sorted({*listed} - {"metadata_…"}) == sorted({*flat(made())} - {*spread})
    assert len(listed) == len(set(listed))


def test_the_limits_of_every_robot_are_those_that_are_kept() -> None:
    """
    Whoever shares a robot with the bridge plans by them.
    """
    told = {cells[0].split(",")[0].lower(): cells[3] for cells in rows("Chat robots")}
    assert sorted(told) == sorted(LIMITS)
    for kind, limit in LIMITS.items():
        assert f"{limit.rate.count} in {limit.rate.per_s:g} s" in told[kind]


def test_the_schedule_is_the_one_that_runs() -> None:
    """
    Whoever runs a receiver plans an outage by it.
    """
    [told] = re.findall(r"`(5s [^`]+)`", PAGE)
    steps_s = tuple(duration.seconds(each) for each in told.split())
    assert steps_s == Schedule().steps_s
