"""Promise 6: a strange answer never ends a task; it is shown, and asked about less."""

import gzip
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.config import Config
from bridge.model import Answer, PollOutcome, Status, Subscription, SubscriptionState
from bridge.providers.catalogue import preset as page_of_preset
from bridge.providers.fields import normal
from bridge.simulator.dialects import body
from bridge.simulator.parts import Site
from bridge.simulator.script import Step
from bridge.simulator.script import World as Instant
from bridge.simulator.words import Dialect
from tests.conftest import START, FakeClock
from tests.world import CONFIG, World, said

DIALECTS = {
    "amux": Dialect.FLAT_COMPLETED,
    "ark": Dialect.ARK,
    "mixroute": Dialect.FLAT_SUCCEEDED,
    "newapi": Dialect.ENVELOPE,
    "newapi-openai": Dialect.OPENAI_VIDEO,
    "rong": Dialect.ARK,
    "sandbox": Dialect.SANDBOX,
    "xiexus": Dialect.FLAT_COMPLETED,
}
HTML = b"<!DOCTYPE html><html><body><h1>Bad gateway</h1></body></html>"
HTML_TYPE = {"content-type": "text/html; charset=utf-8"}
TEXT_TYPE = {"content-type": "text/plain"}
END_WORDS = ("SUCCESS", "completed", "succeeded")

PENDING, TRANSIENT = PollOutcome.PENDING, PollOutcome.TRANSIENT
MISCONFIGURED, UNREACHABLE = PollOutcome.MISCONFIGURED, PollOutcome.UNREACHABLE


def good_end(preset: str, task_id: str, status: Status = Status.SUCCEEDED) -> Any:
    """What the provider says of a task that has ended."""
    step = Step(status=status, progress=100, video=f"{task_id}.mp4")
    instant = Instant(
        task_id=task_id, step=step, created_at=START, started_at=START, updated_at=START
    )
    return body(DIALECTS[preset], instant, Site())


def reworded(value: Any, word: Any) -> Any:
    """The same answer with another status word."""
    if isinstance(value, dict):
        return {
            key: word if key == "status" and each in END_WORDS else reworded(each, word)
            for key, each in value.items()
        }
    return value


Strange = Callable[[Any, bytes], Answer]


def silent(kind: str) -> Strange:
    return lambda _, __: Answer(http_status=None, failure=kind)


# From a good end, as an object and as bytes, to an answer that is none; and what it is.
STRANGE: dict[str, tuple[PollOutcome, Strange]] = {
    "web page": (MISCONFIGURED, lambda _, __: said(200, HTML, **HTML_TYPE)),
    "web page as json": (MISCONFIGURED, lambda _, __: said(200, HTML)),
    "web page 404": (MISCONFIGURED, lambda _, __: said(404, HTML, **HTML_TYPE)),
    "web page 502": (TRANSIENT, lambda _, __: said(502, HTML, **HTML_TYPE)),
    "web page 524": (TRANSIENT, lambda _, __: said(524, HTML, **HTML_TYPE)),
    "web page 403": (PollOutcome.FORBIDDEN, lambda _, __: said(403, HTML, **HTML_TYPE)),
    "500": (TRANSIENT, lambda _, __: said(500, {"error": {"message": "database busy"}})),
    "503 without a body": (TRANSIENT, lambda _, __: said(503, b"")),
    "504 text": (TRANSIENT, lambda _, __: said(504, b"upstream timed out", **TEXT_TYPE)),
    "402": (PollOutcome.FORBIDDEN, lambda _, __: said(402, {"message": "no money"})),
    "405": (MISCONFIGURED, lambda _, __: said(405, {"message": "not allowed"})),
    "418": (MISCONFIGURED, lambda _, __: said(418, b"")),
    "redirect": (MISCONFIGURED, lambda _, __: said(302, b"", location="https://login.test/")),
    "304": (MISCONFIGURED, lambda _, __: said(304, b"")),
    "an end under 500": (TRANSIENT, lambda end, _: said(500, end)),
    "an end under 302": (MISCONFIGURED, lambda end, _: said(302, end)),
    "an end under 403": (PollOutcome.FORBIDDEN, lambda end, _: said(403, end)),
    "empty": (TRANSIENT, lambda _, __: said(200, b"")),
    "204": (TRANSIENT, lambda _, __: said(204, b"")),
    "blank": (TRANSIENT, lambda _, __: said(200, b" \n\t ")),
    "truncated": (TRANSIENT, lambda _, sent: said(200, sent[:-1])),
    "half": (TRANSIENT, lambda _, sent: said(200, sent[: len(sent) // 2])),
    "two at once": (TRANSIENT, lambda _, sent: said(200, sent + sent)),
    "trailing rubbish": (TRANSIENT, lambda _, sent: said(200, sent + b"</html>")),
    "event stream": (TRANSIENT, lambda _, sent: said(200, b"data: " + sent + b"\n\n")),
    "jsonp": (TRANSIENT, lambda _, sent: said(200, b"callback(" + sent + b")")),
    "xml": (TRANSIENT, lambda _, __: said(200, b"<status>completed</status>")),
    "just a word": (TRANSIENT, lambda _, __: said(200, b"completed", **TEXT_TYPE)),
    "a json word": (TRANSIENT, lambda _, __: said(200, b'"completed"')),
    "null": (TRANSIENT, lambda _, __: said(200, b"null")),
    "true": (TRANSIENT, lambda _, __: said(200, b"true")),
    "number": (TRANSIENT, lambda _, __: said(200, b"200")),
    "NaN": (TRANSIENT, lambda _, __: said(200, b'{"status": NaN}')),
    "empty list": (TRANSIENT, lambda _, __: said(200, [])),
    "list of ends": (TRANSIENT, lambda end, _: said(200, [end, end])),
    "empty object": (TRANSIENT, lambda _, __: said(200, {})),
    "null data": (TRANSIENT, lambda _, __: said(200, {"code": "success", "data": None})),
    "error in disguise": (
        TRANSIENT,
        lambda _, __: said(200, {"error": {"code": 50000, "message": "try again"}}),
    ),
    "an end as text": (
        TRANSIENT,
        lambda _, sent: said(200, {"code": "success", "data": sent.decode()}),
    ),
    "an end wrapped once more": (TRANSIENT, lambda end, _: said(200, {"result": end})),
    "unknown word": (PENDING, lambda end, _: said(200, reworded(end, "MELTING"))),
    "not an end word": (PENDING, lambda end, _: said(200, reworded(end, "not completed"))),
    "an end word in a sentence": (
        PENDING,
        lambda end, _: said(200, reworded(end, "upload completed, rendering")),
    ),
    "number as word": (PENDING, lambda end, _: said(200, reworded(end, 2))),
    "truth as word": (PENDING, lambda end, _: said(200, reworded(end, True))),
    "surrogate as word": (
        PENDING,
        lambda end, _: said(
            200, orjson.dumps(reworded(end, "?!")).replace(b"?!", b"\\ud800")
        ),
    ),
    "null as word": (TRANSIENT, lambda end, _: said(200, reworded(end, None))),
    "nothing as word": (TRANSIENT, lambda end, _: said(200, reworded(end, ""))),
    "list as word": (TRANSIENT, lambda end, _: said(200, reworded(end, ["completed"]))),
    "object as word": (
        TRANSIENT,
        lambda end, _: said(200, reworded(end, {"is": "completed"})),
    ),
    "binary": (TRANSIENT, lambda _, __: said(200, bytes(range(256)) * 8)),
    "packed unasked": (TRANSIENT, lambda _, sent: said(200, gzip.compress(sent))),
    "utf-16": (TRANSIENT, lambda _, sent: said(200, sent.decode().encode("utf-16"))),
    "deep": (TRANSIENT, lambda _, __: said(200, b"[" * 100_000 + b"]" * 100_000)),
    "deep objects": (TRANSIENT, lambda _, __: said(200, b'{"data":' * 50_000)),
    "endless number": (
        TRANSIENT,
        lambda _, __: said(200, b'{"status": 1' + b"0" * 10_000 + b"}"),
    ),
    "too large": (
        PollOutcome.ANSWER_TOO_LARGE,
        lambda _, __: Answer(http_status=200, too_large=True),
    ),
    **{kind: (UNREACHABLE, silent(kind)) for kind in ("timeout", "dns_error", "reset")},
}  # fmt: skip


def slug(name: str) -> str:
    return name.replace(" ", "-")


BY_SLUG = {slug(name): strange for name, (_, strange) in STRANGE.items()}
BY_SLUG["another-task"] = lambda end, _: said(200, end)  # its id is put in below


def strange_answer(preset: str) -> Callable[[str], Answer]:
    def says(task_id: str) -> Answer:
        named = "somebody-elses" if task_id == "another-task" else task_id
        end = good_end(preset, named)
        return BY_SLUG[task_id](end, orjson.dumps(end))

    return says


def config_of(*presets: str) -> Config:
    keys = {preset: {"api_key": "sk-test"} for preset in presets if preset != "sandbox"}
    providers = {
        preset: {
            "preset": preset,
            "base_url": f"https://{preset}.test",
            "rate_limit": "10000/s",
            **keys.get(preset, {}),
        }
        for preset in presets
    }
    return Config.model_validate(
        {
            "encryption_keys": CONFIG.encryption_keys,
            "clients": CONFIG.clients,
            "providers": providers,
        }
    )


@pytest.fixture
async def world(
    tmp_path: Path, clock: FakeClock, request: pytest.FixtureRequest
) -> AsyncIterator[World]:
    one = await World(tmp_path, clock, config=config_of(*DIALECTS)).up()
    yield one
    await one.down()


async def tell_truth(world: World, preset: str, subscribed: list[Subscription]) -> None:
    """The provider has come to its senses: each is told its end, once."""
    world.providers.says = lambda task: said(200, good_end(preset, task))
    await world.pass_time(330, step_s=66)
    for one in subscribed:
        [post] = world.ends(one)
        assert post.event["type"] == "task.succeeded"
    assert world.repaired == 0


@pytest.mark.parametrize("preset", DIALECTS)
async def test_no_strange_answer_ends_a_task(world: World, preset: str) -> None:
    """Each of these has been sent by some gateway or proxy, or will be."""
    world.providers.says = strange_answer(preset)
    subscribed = {
        name: await world.subscribe(name, provider=preset, first_poll_s=5.0)
        for name in BY_SLUG
    }
    await world.pass_time(150, step_s=5)
    assert not world.receivers.posts
    wrong = {}
    for name, (outcome, _) in (*STRANGE.items(), ("another task", (TRANSIENT, None))):
        shown = await world.show(subscribed[slug(name)])
        last, times = shown.last_poll, world.providers.times(slug(name))
        gaps = [later - at for at, later in pairwise(times)]
        assert last is not None
        assert shown.state is SubscriptionState.ACTIVE
        assert last.count == len(times) >= 3
        if last.outcome is not outcome:
            wrong[name] = last.outcome, last.detail
        if outcome is PENDING:
            assert max(gaps) <= 15
            continue
        assert last.detail or (last.http_status or 200) >= 300
        assert gaps == sorted(gaps)
        assert gaps[-1] >= 2 * gaps[0]
    assert not wrong
    await tell_truth(world, preset, list(subscribed.values()))
