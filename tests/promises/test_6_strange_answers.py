"""Promise 6: a strange answer never ends a task; it is shown, and asked about less."""

import asyncio
import gzip
import json
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
    "an envelope around nothing": (
        TRANSIENT,
        lambda _, __: said(200, {"status": "SUCCESS", "message": "", "data": None}),
    ),
    "a failed envelope around nothing": (
        TRANSIENT,
        lambda _, __: said(200, {"status": "failed", "message": "busy", "data": []}),
    ),
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
    "another task": (TRANSIENT, lambda end, _: said(200, end)),  # as that is what it is of
    "too large": (
        PollOutcome.ANSWER_TOO_LARGE,
        lambda _, __: Answer(http_status=200, too_large=True),
    ),
    **{kind: (UNREACHABLE, silent(kind)) for kind in ("timeout", "dns_error", "reset")},
}  # fmt: skip


# Pages whose answers come in no envelope take what has no id for the task itself.
FLAT = {"ark", "rong", "sandbox"}


def strange_for(preset: str) -> dict[str, tuple[PollOutcome, Strange]]:
    return {
        name: one
        for name, one in STRANGE.items()
        if preset not in FLAT or "around nothing" not in name
    }


def slug(name: str) -> str:
    return name.replace(" ", "-")


BY_SLUG = {slug(name): strange for name, (_, strange) in STRANGE.items()}


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
async def world(tmp_path: Path, clock: FakeClock) -> AsyncIterator[World]:
    """On SQLite alone: what an answer means is decided before any database hears of it."""
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
    strange = strange_for(preset)
    subscribed = {
        name: await world.subscribe(slug(name), provider=preset, first_poll_s=5.0)
        for name in strange
    }
    await world.pass_time(150, step_s=5)
    assert not world.receivers.posts
    wrong = {}
    for name, (outcome, _) in strange.items():
        shown = await world.show(subscribed[name])
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


# Everything an answer of these gateways is made of, and words that are near an end.
NAMES = st.sampled_from(
    ["task_id", "id", "status", "data", "code", "message", "url", "error", "result_url"]
)
NEAR = st.sampled_from(
    ["done?", "succeeding", "SUCCESS!", "completed.", "un failed", "end"]
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), NEAR)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=12,
)
BODIES = st.one_of(
    st.binary(max_size=200),
    JSON.map(lambda value: json.dumps(value).encode()),
)
ANSWERS = st.builds(
    Answer,
    http_status=st.sampled_from([200, 200, 200, 201, 204, 301, 400, 409, 422, 500, 503]),
    headers=st.fixed_dictionaries(
        {"content-type": st.sampled_from(["application/json", "text/html", "x", ""])},
        optional={"retry-after": st.sampled_from(["1", "-1", "soon", "9" * 400])},
    ),
    body=BODIES,
)


@given(
    preset=st.sampled_from(sorted(DIALECTS)),
    answers=st.lists(ANSWERS, min_size=12, max_size=12),
)
@settings(
    max_examples=24,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_body_whatever_ends_a_task(
    preset: str, answers: list[Answer], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Nor does it stop the loop, in which an exception would end the process."""
    asyncio.run(answered(tmp_path_factory.mktemp("world"), preset, answers))


async def answered(folder: Path, preset: str, answers: list[Answer]) -> None:
    world = await World(folder, FakeClock(), config=config_of(preset)).up()
    by_task = {f"t{n}": answer for n, answer in enumerate(answers)}
    subscribed = [await world.subscribe(task, provider=preset) for task in by_task]
    world.providers.says = lambda task: by_task.get(task, answers[0])  # or a list of them
    world.clock.advance(5)
    await world.poller.worker.drain()
    assert set(world.providers.asked) >= set(by_task)
    await world.pass_time(60, step_s=30)
    assert not world.receivers.posts
    for one in subscribed:
        assert (await world.show(one)).state is SubscriptionState.ACTIVE
    await world.down()
