"""`providers try`: why an answer means what it means, and what to do about it."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bridge.cli.decided import advice, because, reason
from bridge.cli.providers import report
from bridge.cli.trying import Trial
from bridge.config import Provider as Settings
from bridge.config import load
from bridge.model import Answer, Observation, PollOutcome, PollRequest
from bridge.providers.answer import observe
from bridge.providers.catalogue import preset
from bridge.providers.configured import configured
from bridge.simulator.demo.child import free_port
from tests.cli.commands import invoke, told
from tests.settings import ENOUGH

AMUX = preset("amux")
KEY = "sk-secret/of-amux"


def seen(status: int, body: Any) -> tuple[Answer, Observation]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = Answer(http_status=status, body=content)
    told = observe(AMUX, answer, base_url="", task_id="t1", want_raw=False, now=0.0)
    return answer, told


@pytest.mark.parametrize(
    ("status", "body", "says", "todo"),
    [
        (
            200,
            {"data": {"task_id": "t1", "status": "IN_PROGRESS"}},
            '"IN_PROGRESS" at status means running',
            None,
        ),
        (
            200,
            {"data": {"task_id": "t1", "status": "BLENDING"}},
            '"BLENDING" at status is no word of this page',
            "add it to `page.words`",
        ),
        (401, {"error": {"message": "no"}}, "HTTP 401", "It refuses the key"),
        (404, {"error": {"message": "no task"}}, "HTTP 404", "no such task"),
        (500, b"oops", "HTTP 500", "try again"),
        (200, {"data": {"task_id": "t1"}}, "HTTP 200, and no status at ", "try again"),
        (200, b"<html>", "HTTP 200, and no status at ", ""),
    ],
)
def test_the_word_that_decided_is_named(
    status: int, body: Any, says: str, todo: str | None
) -> None:
    """Who writes a page sees which of its lines was at work."""
    answer, observation = seen(status, body)
    assert because(AMUX, answer, observation, "t1").startswith(says)
    what = advice(observation, keyed=True)
    assert (what is None) if todo is None else (todo in str(what))


def test_an_answer_without_a_word_may_be_one_by_a_rule_of_the_page() -> None:
    """Some say "not yet" by an error code."""
    by_rule = Observation(outcome=PollOutcome.PENDING)
    assert because(AMUX, Answer(http_status=200, body=b"{}"), by_rule, "t1") == "HTTP 200"
    assert advice(by_rule, keyed=True) is None


def test_programs_get_it_in_parts() -> None:
    """The word, where it was, and where else it was looked for."""
    answer, observation = seen(200, {"data": {"task_id": "t1", "status": "SUCCESS"}})
    decided = reason(AMUX, answer, observation, "t1")
    places = [str(place) for place in AMUX.answer.status]
    assert (decided["word"], decided["known"]) == ("SUCCESS", True)
    assert (decided["place"] in places, decided["looked_at"]) == (True, places)
    refused, why = seen(401, {})
    assert reason(AMUX, refused, why, "t1") == {
        "word": None, "place": None, "known": None, "looked_at": places
    }  # fmt: skip


def test_every_outcome_that_is_no_answer_has_its_advice() -> None:
    """A word of ours alone would leave the user where he was."""
    for outcome in PollOutcome:
        for keyed in (True, False):
            what = advice(Observation(outcome=outcome), keyed=keyed)
            assert bool(what) is not outcome.answered


def test_what_was_asked_is_shown_without_secrets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is pasted into reports of faults."""
    config = load({}, ENOUGH, tmp_path)
    mine = Settings(preset="amux", api_key=SecretStr(KEY))
    provider = configured(config.model_copy(update={"providers": {"amux": mine}}))["amux"]
    request = PollRequest(
        method="GET",
        url="https://amux.test/t1?key=sk-secret%2Fof-amux",
        headers={"Accept": "text/x", "Authorization": f"Bearer {KEY}", "X-Pass": "open"},
    )
    trial = Trial(provider, request, *seen(401, {}), "t1")
    report(trial)
    shown = capsys.readouterr().out + json.dumps(trial.plain())
    assert "GET https://amux.test/t1?key=***  (with a key)\n  Accept: text/x\n" in shown
    assert "  Authorization: Bearer ***\n  X-Pass: ***\n" in shown
    assert "because" in shown
    assert not [each for each in (KEY, "sk-secret", "open") if each in shown]


def test_a_provider_that_is_not_there_is_told_with_what_to_do() -> None:
    down = ("--base-url", f"http://127.0.0.1:{free_port()}")
    result = invoke("providers", "try", "t1", "-p", "amux", *down)
    assert result.exit_code == 3
    assert "because     no answer: connect_error" in result.stdout
    assert "→ Check the base URL" in result.stdout
    told_of = told("providers", "try", "t1", "-p", "amux", *down)
    assert told_of["advice"].startswith("Check the base URL")
