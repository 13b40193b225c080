"""Promise 8, as an operator sees the bridge: logs at their loudest, figures, spans, pages
and commands of a whole run that goes well and badly show no secret.
"""

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.cli.commands import invoke
from tests.promises.node import KEYS, OPERATOR, Node, settings
from tests.promises.test_8_secrets import Marks, World, marks, path_of, provider, receiver
from tests.tracing.test_writing import Collector, collector

__all__ = ["collector", "marks", "provider", "receiver"]

# What the owner of a subscription, and the operator, are shown of it, by the ends of names.
SHOWN = (
    *("callback path", "callback query", "metadata", "result link", "its signature"),
    *("receiver answer", "hint token"),
)
LOOKED_AT = (0, 1, 9, 10, -3)  # of what was subscribed; what a receiver repeats is shown


@pytest.fixture
async def world(
    tmp_path: Path,
    marks: Marks,
    provider: str,
    receiver: tuple[str, list[bytes]],
    collector: Collector,
) -> AsyncIterator[World]:
    marks.made |= {f"API key of {name}": key for name, key in KEYS.items()}
    marks.made["API key of the operator"] = OPERATOR
    config = settings(provider)
    config["log"] = {"format": "json", "level": "debug"}
    config["encryption_keys"] = [marks("encryption key") + marks("… and its rest")]
    config["clients"]["shop"] |= {
        "signing_secrets": [marks.secret("signing secret of shop")],
        "providers": ["amux", "proxied"],
    }
    amux = config["providers"]["amux"]
    amux["api_key"] = marks("configured provider key")
    proxy = f"http://{marks('proxy user')}:{marks('proxy password')}@127.0.0.1:9"
    config["providers"]["proxied"] = amux | {"proxy": proxy}
    config["callbacks"]["proxy"] = proxy
    config["callbacks"]["retries"] = ["1s", "1h"]
    config["notify"] = {
        "url": f"{receiver[0]}/{marks('notice path')}?key={marks('notice query')}",
        "format": "feishu",
        "robot_secret": marks("notice robot secret"),
        "signing_secret": marks.secret("notice signing secret"),
    }
    config["traces"] = {"endpoint": collector.url}
    token = {"OTEL_EXPORTER_OTLP_HEADERS": f"x-token={marks('collector token')}"}
    async with Node(tmp_path, config, **token) as node:
        await node.start()
        yield World(marks, node, provider, receiver[0], receiver[1])


def auths(marks: Marks) -> Mapping[str, Mapping[str, Any]]:
    """How a receiver may know the bridge."""
    secret = {"password": marks("basic password"), "username": marks("basic user")}
    return {
        "bearer": {"auth": {"type": "bearer", "token": marks("bearer token")}},
        "basic": {"auth": {"type": "basic", **secret}},
        "header": {
            "auth": {"type": "header", "name": "X-Key", "value": marks("auth header")}
        },
        "query": {
            "auth": {"type": "query", "name": "key", "value": marks("auth query")},
        },
        "robot": {
            "format": "dingtalk",
            "robot": {"secret": marks("robot secret"), "keyword": marks("robot keyword")},
        },
        "own": {
            "provider_api_key": marks("own provider key"),
            "signing_secret": marks.secret("own signing secret"),
            "headers": {"X-Token": marks("callback header")},
            "metadata": {"note": marks("own metadata")},
        },
    }


async def subscribe_to_all(world: World) -> None:
    """With every kind of secret: receivers take it, refuse it, repeat it or are away."""
    marks = world.marks
    away = {
        "closed": "http://127.0.0.1:9",
        "no name": "http://no-such-host.invalid",
        "by proxy": "http://8.8.8.8",
        "not TLS": world.receiver.replace("http://", "https://"),
    }
    for name, fields in auths(marks).items():
        for end in ("ok", "refuse", "echo"):
            task = f"{name}-{end}"
            await world.subscribe(task, path_of(marks, task, to=f"/{end}"), **fields)
    for name, host in away.items():
        url = host + path_of(marks, name, to="")
        world.subscribed.append(await world.node.promised("task1", url))
    proxied = {"provider": "proxied", "task_id": "t", "callback_url": world.receiver}
    answer = await world.node.call("POST", "/subscribe", json=proxied)
    assert answer.status == 202
    world.subscribed.append(answer.json["id"])
    refused = {"provider_api_key": marks("refused provider key")}
    await world.subscribe("echo-401", path_of(marks, "echo-401", to="/ok"), **refused)


async def visit(world: World) -> None:
    """Sign in to the pages, look around, and be refused a form."""
    marks, node = world.marks, world.node
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(node.url, cookie_jar=jar) as http:

        async def page(method: str, path: str, **form: str) -> tuple[int, str]:
            where = f"/dashboard{path}"
            async with http.request(method, where, data=form or None) as answer:
                return answer.status, await answer.text()

        _, text = await page("GET", "/sign-in")
        found = re.search('name="token" value="([^"]+)"', text)
        assert found is not None
        token = found[1]
        wrong, _ = await page("POST", "/sign-in", token=token, key=marks("wrong key"))
        signed, _ = await page("POST", "/sign-in", token=token, key=OPERATOR)
        assert (wrong, signed) == (401, 200)
        for cookie in jar:
            marks.made[f"cookie {cookie.key}"] = cookie.value
        pages = [f"/subscriptions/{world.subscribed[one]}" for one in LOOKED_AT]
        for path in ("", "/subscriptions", *pages):
            status, text = await page("GET", path)
            assert (status, unseen(marks.found_in(text.encode()))) == (200, [])
        forged, _ = await page("POST", f"{pages[0]}/stop", token=marks("forged token"))
        assert 400 <= forged < 500


async def misuse(world: World) -> None:
    """What callers get wrong holds secrets, too."""
    marks, node = world.marks, world.node
    shown = await node.subscription(world.subscribed[-1])
    marks.made["hint token"] = shown["hint_url"].rpartition("/")[2]
    asked: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("GET", f"/subscriptions?task_id={marks('query')}", {}),
        ("GET", f"/{marks('path')}", {}),
        ("POST", f"/hints/{marks.made['hint token']}", {}),
        ("POST", f"/hints/{marks('wrong token')}", {}),
        ("GET", "/metrics", {"headers": {"X-API-Key": marks("wrong API key")}}),
        (
            "POST",
            "/subscribe",
            {"data": b'{"provider_api_key": "' + marks("torn").encode()},
        ),
        ("GET", "/livez", {"headers": {"traceparent": marks("traceparent")}}),
    )
    for method, path, options in asked:
        answer = await node.call(method, path, **options)
        assert answer.status < 500
        told = answer.text + json.dumps(dict(answer.headers))
        assert marks.found_in(told.encode()) == []
    userinfo = world.receiver.replace("http://", f"http://{marks('user')}:{marks('word')}@")
    answer = await node.subscribe("task1", userinfo)
    assert answer.status == 422
    assert marks.found_in(answer.text.encode()) == []


def unseen(found: list[str]) -> list[str]:
    """Of what is found, what nobody may see."""
    return [name for name in found if not name.endswith(SHOWN)]


async def command(world: World, *args: str) -> str:
    """What the operator is told by a command, which takes the key from its environment."""
    env = {"BRIDGE_API_KEY": OPERATOR, "BRIDGE_URL": world.node.url}
    result = await asyncio.to_thread(invoke, *args, env=env)
    assert result.exit_code in (0, 1), result.output
    return result.output


async def settled(world: World) -> None:
    """Return once each that can be told was, and the others could not be asked about."""
    polled = {"proxied": "transient", "amux": "auth"}

    def done() -> bool:
        told = {line["message"] for line in world.node.events("delivery.attempted")}
        asked = [
            (one["provider"], one["outcome"]) for one in world.node.events("watch.polled")
        ]
        return len(told) >= len(world.subscribed) - 2 and polled.items() <= set(asked)

    await world.node.until(done)


async def test_nothing_that_an_operator_sees_holds_a_secret(
    world: World, collector: Collector
) -> None:
    marks, node = world.marks, world.node
    await subscribe_to_all(world)
    await settled(world)
    await visit(world)
    await misuse(world)

    config = ("--config", str(node.config))
    first = world.subscribed[0]
    message = f"msg_{first.removeprefix('sub_')}_0"
    for args in (
        ("check", *config),
        ("list",),
        ("list", "--json"),
        *(("show", world.subscribed[one]) for one in LOOKED_AT),
        ("show", first, "--json"),
        ("show", message),
        ("deliveries",),
        ("providers", "list"),
    ):
        found = marks.found_in((await command(world, *args)).encode())
        assert (args, unseen(found)) == (args, [])
    answer = await node.call("GET", "/metrics", key=OPERATOR)
    assert 'bridge_trace_spans_total{outcome="sent"}' in answer.text
    assert marks.found_in(answer.text.encode()) == []

    good = node.config.read_text()
    node.config.write_text(good.replace('"retries"', f'"{marks("unknown key")}"'))
    node.send(signal.SIGHUP)
    await node.told("config.refused")
    node.config.write_text(good)
    assert await node.stop() == 0
    logged = "\n".join(node.log)
    for event in ("watch.polled", "task.ended", "delivery.attempted", "http.answered"):
        assert node.events(event)
    assert all(line.startswith("{") for line in node.log)
    assert marks.found_in(logged.replace(marks("unknown key"), "").encode()) == []

    assert collector.spans
    told = b"".join(span.SerializeToString() for span in collector.spans)
    assert marks.found_in(told) == []


@pytest.mark.parametrize("command", ["check", "migrate"])
@pytest.mark.parametrize("place", ["127.0.0.1:1/bridge", "no-such-host.invalid/b?ssl=on"])
def test_a_database_that_is_not_there_does_not_spread_its_password(
    tmp_path: Path, marks: Marks, command: str, place: str
) -> None:
    """Drivers like to quote the whole address."""
    marks.made |= {"database password": "p:ss/w@rd-9f31c7", "its end": "rd-9f31c7"}
    config = settings("http://127.0.0.1:9")
    config["database"] = f"postgresql://bridge:{marks('database password')}@{place}"
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(config))
    result = invoke(command, "--config", str(path))
    assert result.exit_code in (1, 2, 3)
    assert "database" in result.output
    assert marks.found_in(result.output.encode()) == []
