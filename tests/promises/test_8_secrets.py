"""Promise 8: no secret can be read anywhere but by its owner.

Every secret there is goes through a real process, on good paths and bad ones; each is a
text of its own, which is then looked for in everything that is stored, logged or shown.
"""

import asyncio
import base64
import json
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bridge.clock import SystemClock
from bridge.signature import key_bytes, mint
from bridge.simulator.loopback import Loopback
from tests.cli.commands import environment
from tests.promises.node import KEYS, OPERATOR, Answer, Node, settings

# What a provider that repeats our key may do with it, by task id.
ECHOES = (
    "echo-401",
    "echo-403",
    "echo-404",
    "echo-429",
    "echo-500",
    "echo-text",
    "echo-redirect",
    "echo-nothing",
    "echo-word",
    "echo-failed",
    "echo-url",
)
STATUSES = {
    "echo-401": 401,
    "echo-403": 403,
    "echo-404": 404,
    "echo-429": 429,
    "echo-500": 500,
}


@dataclass
class Marks:
    """Secrets by name: each a text that occurs nowhere else."""

    made: dict[str, str] = field(default_factory=dict)

    def __call__(self, name: str) -> str:
        """Looks like the ids that some providers use for keys: nothing gives it away."""
        return self.made.setdefault(name, str(uuid.uuid4()))

    def secret(self, name: str) -> str:
        return self.made.setdefault(name, mint())

    def found_in(self, content: bytes) -> list[str]:
        """The names of those that somebody can read there."""
        return [
            name
            for name, mark in self.made.items()
            if any(form in content for form in forms(mark))
        ]


def forms(mark: str) -> Iterator[bytes]:
    raw = mark.encode()
    yield raw
    yield raw.hex().encode()
    yield base64.b64encode(raw).rstrip(b"=")
    if mark.startswith("whsec_"):
        yield key_bytes(mark)


@dataclass
class World:
    marks: Marks
    node: Node
    provider: str
    receiver: str
    received: list[bytes]
    subscribed: list[str] = field(default_factory=list)

    async def subscribe(self, task_id: str, path: str, **fields: Any) -> str:
        found = await self.node.promised(task_id, self.receiver + path, **fields)
        self.subscribed.append(found)
        return found

    async def until(self, subscription_id: str, state: str, *, attempts: int = 0) -> Any:
        async with asyncio.timeout(60):
            while True:
                seen = await self.node.subscription(subscription_id)
                delivery = seen["delivery"]
                if delivery["state"] == state and delivery["attempts"] >= attempts:
                    return seen
                await SystemClock().wait(asyncio.Event(), 0.05)

    async def polled(self, subscription_id: str) -> Any:
        async with asyncio.timeout(60):
            while True:
                seen = await self.node.subscription(subscription_id)
                if seen["last_poll"]:
                    return seen
                await SystemClock().wait(asyncio.Event(), 0.05)


@pytest.fixture
def marks() -> Marks:
    return Marks()


@pytest.fixture
async def provider(marks: Marks) -> AsyncIterator[str]:
    """Ends every task with links and texts that are secret; `echo-…` says our key again."""

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        task_id = request.path.rpartition("/")[2]
        key = request.headers["Authorization"].removeprefix("Bearer ")
        if task_id in ECHOES:
            return echo(task_id, key)
        link = (
            f"https://cdn.example/{marks('result link')}.mp4?sig={marks('its signature')}"
        )
        told: dict[str, Any] = {"task_id": task_id, "status": "completed", "url": link}
        if task_id.startswith("failed"):
            told = {
                "task_id": task_id,
                "status": "failed",
                "error": {"code": "bad_input", "message": f"no: {marks('error text')}"},
            }
        return web.json_response(told | {"note": marks("rest of the answer")})

    server = Loopback(serve)
    yield await server.start()
    await server.stop()


def echo(task_id: str, key: str) -> web.Response:
    text = f"Incorrect API key provided: {key}. Look at https://x.example/{key}."
    if task_id in STATUSES:
        error = {"message": text, "type": "new_api_error", "code": f"bad_{key}"}
        return web.json_response({"error": error}, status=STATUSES[task_id])
    if task_id == "echo-text":
        return web.Response(text=text, status=502)
    if task_id == "echo-redirect":
        return web.Response(status=302, headers={"Location": f"/login/{key}?key={key}"})
    if task_id == "echo-nothing":
        return web.json_response({"message": text})
    if task_id == "echo-word":
        return web.json_response({"task_id": task_id, "status": f"waiting_for_{key}"})
    if task_id == "echo-url":
        url = f"https://cdn.example/a.mp4?api_key={key}"
        return web.json_response({"task_id": task_id, "status": "completed", "url": url})
    error = {"code": f"bad_{key}", "message": text}
    return web.json_response({"task_id": task_id, "status": "failed", "error": error})


@pytest.fixture
async def receiver(marks: Marks) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Answers with a secret of its own, or with all that it was sent."""
    received: list[bytes] = []

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        body = await request.content.read()
        received.append(body)
        if request.path.startswith("/echo"):
            sent = json.dumps(dict(request.headers)) + request.raw_path
            return web.Response(text=sent + body.decode(), status=500)
        if request.path.startswith("/redirect"):
            away = f"https://elsewhere.example/{marks('redirect path')}"
            return web.Response(status=307, headers={"Location": away})
        status = 500 if request.path.startswith("/refuse") else 200
        return web.Response(text=marks("receiver answer"), status=status)

    server = Loopback(serve)
    yield await server.start(), received
    await server.stop()


@pytest.fixture
async def world(
    tmp_path: Path, marks: Marks, provider: str, receiver: tuple[str, list[bytes]]
) -> AsyncIterator[World]:
    marks.made |= {f"API key of {name}": key for name, key in KEYS.items()}
    marks.made["API key of the operator"] = OPERATOR
    config = settings(provider)
    config["log"] = {"format": "json", "level": "debug"}
    config["encryption_keys"] = [marks("encryption key") + marks("… and its rest")]
    config["clients"]["shop"]["signing_secrets"] = [marks.secret("signing secret of shop")]
    config["providers"]["amux"]["api_key"] = marks("configured provider key")
    config["callbacks"]["retries"] = ["1s", "1h"]
    async with Node(tmp_path, config) as node:
        await node.start()
        yield World(marks, node, provider, receiver[0], receiver[1])


def secretive(marks: Marks, name: str) -> dict[str, Any]:
    """Fields of a subscription whose every part is secret."""
    return {
        "provider_api_key": marks(f"{name}: provider key"),
        "signing_secret": marks.secret(f"{name}: signing secret"),
        "headers": {"X-Token": marks(f"{name}: callback header")},
        "metadata": {"note": marks(f"{name}: metadata")},
        "include_raw": True,
    }


def path_of(marks: Marks, name: str, *, to: str) -> str:
    return f"{to}/{marks(f'{name}: callback path')}?t={marks(f'{name}: callback query')}"


async def stored(world: World) -> Mapping[str, bytes]:
    """Everything that is on disk but for the configuration, and a backup of it."""
    backup = world.node.folder / "backup.db"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridge", "backup", str(backup), "--force"),
        *("--config", str(world.node.config)),
        env=environment(),
    )
    async with asyncio.timeout(30):
        assert await process.wait() == 0
    return {
        path.name: path.read_bytes()
        for path in world.node.folder.iterdir()
        if path != world.node.config
    }


async def check_nothing_to_read(world: World) -> None:
    """Neither at rest, nor in the logs, nor by those whose it is not."""
    found = await stored(world)
    assert {"bridge.db", "bridge.db-wal", "bridge.db-shm", "backup.db"} <= found.keys()
    for name, content in found.items():
        assert (name, world.marks.found_in(content)) == (name, [])
    for path in ("/metrics", "/providers", "/readyz", "/livez"):
        answer = await world.node.call("GET", path, key=OPERATOR)
        assert (path, answer.status, readable(world, answer)) == (path, 200, [])
    for subscription_id in world.subscribed:
        for path in (
            f"/subscriptions/{subscription_id}",
            f"/deliveries/msg_{subscription_id.removeprefix('sub_')}_0",
            "/subscriptions",
            f"/deliveries?subscription_id={subscription_id}",
        ):
            answer = await world.node.call("GET", path, key=KEYS["blog"])
            assert answer.status == 404 or answer.json["items"] == []
            assert readable(world, answer) == []
    assert await world.node.stop() == 0
    logged = "\n".join(world.node.log).encode()
    assert world.node.events("watch.polled")
    assert world.node.events("http.answered")
    assert world.marks.found_in(logged) == []
    for name, content in (await stored(world)).items():
        assert (name, world.marks.found_in(content)) == (name, [])


def readable(world: World, answer: Answer) -> list[str]:
    told = answer.text + json.dumps(dict(answer.headers))
    return world.marks.found_in(told.encode())


async def test_what_goes_well_leaves_nothing_to_read(world: World) -> None:
    """The usual path: all secrets are used, and each reaches whom it is for."""
    marks = world.marks
    ids = {
        task_id: await world.subscribe(
            task_id, path_of(marks, task_id, to="/ok"), **secretive(marks, task_id)
        )
        for task_id in ("task1", "failed1")
    }
    configured = await world.subscribe("task2", path_of(marks, "task2", to="/ok"))
    for task_id, ours in ids.items():
        seen = await world.until(ours, "accepted")
        assert marks(f"{task_id}: callback path") in seen["callback_url"]
        assert seen["metadata"] == {"note": marks(f"{task_id}: metadata")}
        [attempt] = await world.node.attempts(ours)
        assert attempt["answer"] == marks("receiver answer")
    told = b"".join(world.received)
    for name in ("result link", "its signature", "error text", "rest of the answer"):
        assert marks(name).encode() in told
    await world.until(configured, "accepted")
    answer = await world.node.call(
        "POST",
        "/subscribe",
        json={"provider": "amux", "task_id": "task3"},
        headers={
            "Idempotency-Key": marks("Idempotency-Key"),
            "X-Provider-Api-Key": marks("provider key in a header"),
        },
    )
    assert answer.status == 202
    await check_nothing_to_read(world)


async def test_a_standing_hook_leaves_nothing_to_read(world: World) -> None:
    """Its URL is a secret of some tool's, and it has a signing secret of its own."""
    marks, node = world.marks, world.node
    asked = {
        "url": world.receiver + path_of(marks, "hook", to="/ok"),
        "headers": {"X-Token": marks("hook: header")},
        "signing_secret": marks.secret("hook: signing secret"),
    }
    made = await node.call("POST", "/hooks", json=asked)
    minted = await node.call("POST", "/hooks", json={"url": asked["url"]})
    assert (made.status, minted.status) == (201, 201)
    marks.made["hook: minted secret"] = minted.json["signing_secret"]
    body = {"provider": "amux", "task_id": "hooked"}
    key = (await node.call("POST", "/subscribe", json=body)).json["id"][4:]
    for hook in (made.json["id"], minted.json["id"]):
        await accepted(node, f"/deliveries/msg_{key}_0_{hook[5:]}")
        for method in ("GET", "DELETE"):
            answer = await node.call(method, f"/hooks/{hook}", key=KEYS["blog"])
            assert (answer.status, readable(world, answer)) == (404, [])
    assert (await node.call("GET", "/hooks", key=KEYS["blog"])).json["items"] == []
    await check_nothing_to_read(world)


async def accepted(node: Node, path: str) -> None:
    async with asyncio.timeout(60):
        while True:
            found = await node.call("GET", path)
            if found.status == 200 and found.json["state"] == "accepted":
                return
            await SystemClock().wait(asyncio.Event(), 0.05)


async def test_a_receiver_that_repeats_our_request_is_shown_to_its_owner_only(
    world: World,
) -> None:
    """Its answer is kept for whoever has to mend it; it holds whatever we have sent."""
    marks = world.marks
    wanted = {"echo": 1, "redirect": 1, "refuse": 2}
    robot = {"secret": marks("robot secret"), "keyword": marks("robot keyword")}
    fields: dict[str, Any] = {"refuse": {"format": "dingtalk", "robot": robot}}
    ids = {
        name: await world.subscribe(
            name,
            path_of(marks, name, to=f"/{name}"),
            **secretive(marks, name),
            **fields.get(name, {}),
        )
        for name in wanted
    }
    for name, count in wanted.items():
        await world.until(ids[name], "retrying", attempts=count)
    [first, *_] = await world.node.attempts(ids["echo"])
    assert marks("echo: callback header") in first["answer"]
    [first, *_] = await world.node.attempts(ids["redirect"])
    assert marks("redirect path") not in json.dumps(first)
    await check_nothing_to_read(world)


async def test_addresses_that_lead_nowhere_are_not_repeated(world: World) -> None:
    """The errors of HTTP clients and resolvers like to quote the whole URL."""
    marks = world.marks
    for name, host in {
        "closed": "http://127.0.0.1:9",
        "no name": "http://no-such-host.invalid",
        "not TLS": world.receiver.replace("http://", "https://"),
    }.items():
        url = host + path_of(marks, name, to="")
        answer = await world.node.subscribe("task1", url, **secretive(marks, name))
        assert answer.status == 202, answer
        world.subscribed.append(answer.json["id"])
    for each in world.subscribed:
        await world.until(each, "retrying", attempts=1)
    await check_nothing_to_read(world)


@pytest.mark.parametrize("whose", ["caller", "operator"])
async def test_a_provider_that_repeats_our_key_does_not_spread_it(
    world: World, whose: str
) -> None:
    """Some do so in every error. A configured key is secret even from whom it serves."""
    marks = world.marks
    ids = {}
    for task_id in ECHOES:
        fields = {"provider_api_key": marks(f"{task_id}: key")} if whose == "caller" else {}
        ids[task_id] = await world.subscribe(task_id, "/ok", **fields)
        shown = await world.polled(ids[task_id])
        assert marks.found_in(json.dumps(shown).encode()) == []
        if task_id == "echo-429":  # would slow down all others with this key
            await world.node.call("DELETE", f"/subscriptions/{ids[task_id]}")
    for task_id in ("echo-404", "echo-failed", "echo-url"):
        shown = await world.until(ids[task_id], "accepted")
        assert marks.found_in(json.dumps(shown).encode()) == []
    assert len(world.received) == 3
    assert marks.found_in(b"".join(world.received)) == []
    await check_nothing_to_read(world)


BAD: Mapping[str, Mapping[str, Any]] = {
    "no URL": {"callback_url": "{mark}"},
    "another scheme": {"callback_url": "ftp://app.example/{mark}"},
    "a password": {"callback_url": "https://user:{mark}@app.example/"},
    "a fragment": {"callback_url": "https://app.example/{mark}#{mark}"},
    "a bad host": {"callback_url": "https://ex ample/{mark}"},
    "an inside address": {"callback_url": "http://10.0.0.1/{mark}"},
    "a bad port": {"callback_url": "https://app.example:99999/{mark}"},
    "a key of two lines": {"provider_api_key": "{mark}\n{mark}"},
    "a key that is a list": {"provider_api_key": ["{mark}"]},
    "a weak signing secret": {"signing_secret": "{mark}"},
    "a broken signing secret": {"signing_secret": "whsec_{mark}"},
    "a header we set": {"headers": {"webhook-id": "{mark}"}},
    "a header of two lines": {"headers": {"X-Token": "{mark}\n{mark}"}},
    "a header that is a list": {"headers": {"X-Token": ["{mark}"]}},
    "headers as text": {"headers": "X-Token: {mark}"},
    "metadata as text": {"metadata": "{mark}"},
    "a robot's secret of two words": {
        "format": "feishu",
        "robot": {"secret": "{mark} {mark}"},
    },
    "a robot's secret that is a list": {
        "format": "feishu",
        "robot": {"secret": ["{mark}"]},
    },
    "a robot's secret by another name": {
        "format": "feishu",
        "robot": {"{mark}": "{mark}"},
    },
    "a robot's secret where there is none": {"robot": {"secret": "{mark}"}},
    "a field nobody knows": {"apiKey": "{mark}"},
    "no provider": {"provider": None, "provider_api_key": "{mark}"},
    "an unknown provider": {"provider": "amuxx", "provider_api_key": "{mark}"},
    "a bad task": {"task_id": "..", "callback_url": "https://app.example/{mark}"},
}


async def test_what_is_wrong_is_said_without_quoting_it(world: World) -> None:
    """Problems are logged by no-code tools, and pasted into issues."""
    marks, call = world.marks, world.node.call
    answers = {}
    for name, fields in BAD.items():
        given = json.loads(json.dumps(fields).replace("{mark}", marks(name)))
        body = {"provider": "amux", "task_id": "t", "callback_url": world.receiver} | given
        answers[name] = await call("POST", "/subscribe", json=body)
        batch = await call("POST", "/subscribe/batch", json=[body])
        assert (name, readable(world, batch)) == (name, [])
    answers["a wrong key"] = await call("GET", "/subscriptions", key=marks("wrong key"))
    answers["a key in the path"] = await call("GET", f"/subscriptions/{marks('path')}")
    answers["a key in the query"] = await call("GET", f"/deliveries?state={marks('query')}")
    broken = '{"provider_api_key": "' + marks("broken body") + '", '
    answers["a broken body"] = await call(
        "POST", "/subscribe", data=broken, headers={"Content-Type": "application/json"}
    )
    answers["a key in a bad header"] = await call(
        "POST",
        "/subscribe",
        json={"provider": "amux", "task_id": "t"},
        headers={"X-Provider-Api-Key": marks("bad header") + "\N{SNOWMAN}"},
    )
    good = world.node.config.read_text()
    config = json.loads(good)
    config["providers"]["amux"]["api_key"] = marks("key with a line end") + "\n"
    config["clients"]["shop"]["api_keys"] = [marks("API key with a space") + " "]
    world.node.config.write_text(json.dumps(config))
    world.node.send(signal.SIGHUP)
    await world.node.told("config.refused")
    world.node.config.write_text(good)
    for name, answer in answers.items():
        assert (name, 400 <= answer.status < 500) == (name, True)
        assert (name, readable(world, answer)) == (name, [])
    world.subscribed.append(await world.node.promised("task1", world.receiver))
    await world.polled(world.subscribed[0])
    await check_nothing_to_read(world)
