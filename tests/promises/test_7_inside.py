"""Promise 7: no inside address is reachable; a provider's key goes to its origins only."""

import asyncio
from pathlib import Path
from urllib.parse import unquote

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from bridge.api.app import create_app
from bridge.errors import RequestError
from bridge.model import AttemptOutcome, PollOutcome
from bridge.providers.catalogue import preset
from bridge.providers.page import Page
from bridge.providers.request import check_task, poll_request
from bridge.receivers.callback import destination
from bridge.simulator.reactions import Reaction
from tests.api.conftest import served
from tests.conftest import FakeClock
from tests.net.hostile import OK, Talk, raw_server, request, says
from tests.promises.wired import API_KEYS, wired

EMPTY = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}"
NOWHERE: dict[str, object] = {}  # callbacks without any list: public addresses only
SPELLINGS = (
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1",
    "0177.0.0.1", "017700000001", "0", "0.0.0.0", "0.1", "127.0.0.1.", "127.00.0.1",
    "127.255.255.254", "①②⑦.⓪.⓪.①", "１２７.０.０.１", "127。0。0。1", "127%2e0%2e0%2e1",
    "localhost", "LOCALHOST", "localhost.", "foo.localhost", "localhost.localdomain",
    "ip6-localhost", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]", "[::ffff:0:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]",
    "[64:ff9b::127.0.0.1]", "[64:ff9b:1::127.0.0.1]", "[2002:7f00:1::]",
    "[2001:0:7f00:1::]", "[fe80::1]", "[fe80::1%25lo]", "[::1%25lo]", "[fd00::1]",
    "[::ffff:0.0.0.0]", "user@127.0.0.1", "public.test@127.0.0.1",
    "127.0.0.1#@public.test", "public.test\\@127.0.0.1", "inside.test", "mixed.test",
    "mapped.test", "169.254.169.254", "[fd00:ec2::254]", "100.100.100.200",
    "168.63.129.16", "10.0.0.1", "192.168.0.1",
)  # fmt: skip
NAMES = {
    "inside.test": ["127.0.0.1"],
    "mixed.test": ["127.0.0.1", "10.0.0.1", "192.0.2.1"],
    "mapped.test": ["::ffff:127.0.0.1"],
    "public.test": ["192.0.2.1"],
    "foo.localhost": ["127.0.0.1"],
    "localhost.localdomain": ["127.0.0.1"],
}
REFUSED = {AttemptOutcome.ADDRESS_FORBIDDEN, AttemptOutcome.DNS_ERROR}


async def test_no_spelling_of_a_callback_reaches_the_inside(
    tmp_path: Path, clock: FakeClock
) -> None:
    """Each reaches the loopback through some parser; all go the whole way to the socket."""
    async with (
        raw_server(says(OK)) as (port, heard),
        wired(tmp_path, clock, NAMES, callbacks=NOWHERE) as node,
    ):
        accepted = []
        for host in SPELLINGS:
            url = f"http://{host}:{port}/hook"
            try:
                destination(url, {}, https_only=False)
            except RequestError:
                continue
            accepted.append(await node.subscribe("no-url-0s", url))
        await node.turn(5)
        assert len(accepted) >= 20
        for one in accepted:
            delivery = await node.delivery(one)
            assert delivery.last_outcome in REFUSED, one.callback_url
        assert heard.opened == 0


async def test_one_inside_address_among_a_names_others_refuses_the_lot(
    tmp_path: Path, clock: FakeClock
) -> None:
    """Even where another of them is listed: which one is used would be the dice's."""
    names = {"mixed.test": ["127.0.0.1", "10.0.0.1"], "fine.test": ["127.0.0.1"]}
    callbacks = {"allow_networks": ["127.0.0.0/8"]}
    async with wired(tmp_path, clock, names, callbacks=callbacks) as node:
        port = node.receiver.url.rpartition(":")[2]
        mixed = await node.subscribe("no-url-0s", f"http://mixed.test:{port}/ok")
        fine = await node.subscribe("no-url-0s", f"http://fine.test:{port}/ok")
        await node.turn(5)
        outcomes = [(await node.delivery(one)).last_outcome for one in (mixed, fine)]
        assert outcomes == [AttemptOutcome.ADDRESS_FORBIDDEN, AttemptOutcome.ACCEPTED]
        assert len(node.receiver.requests) == 1


async def test_a_name_that_moves_inside_after_it_was_vetted_gains_nothing(
    tmp_path: Path, clock: FakeClock
) -> None:
    """The 202 was right when it was given; what counts is each connection."""
    names = {"moving.test": ["1.1.1.1"]}
    async with (
        raw_server(says(OK)) as (port, heard),
        wired(tmp_path, clock, names, callbacks=NOWHERE) as node,
        served(create_app(node.bridge.deps)) as api,
        aiohttp.ClientSession(headers={"X-API-Key": API_KEYS["shop"]}) as http,
    ):
        node.bridge.health.set_ready("start")
        body = {
            "provider": "amux",
            "task_id": "no-url-0s",
            "callback_url": f"http://moving.test:{port}/",
        }
        async with http.post(f"{api}/subscribe", json=body) as answer:
            assert answer.status == 202
            delivery_id = (await answer.json())["delivery"]["id"]
        node.names.names["moving.test"] = ["127.0.0.1"]
        await node.turn(61)
        async with http.post(f"{api}/subscribe", json=body | {"metadata": {"n": 2}}) as no:
            assert no.status == 422
            assert (await no.json())["code"] == "callback_address_forbidden"
        async with http.get(f"{api}/deliveries") as listed:
            [delivery] = (await listed.json())["items"]
        assert delivery["last_outcome"] == "address_forbidden"
        assert delivery_id in (None, delivery["id"])
        assert heard.opened == 0


def recording(heads: list[str], answer: bytes = EMPTY) -> Talk:
    """Keeps the head of each request and gives the same answer to all."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await request(reader)).decode("latin-1"))
        writer.write(answer)
        await writer.drain()

    return talk


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(
    tmp_path: Path, clock: FakeClock, status: int
) -> None:
    """Not by a webhook, and least of all by a poll, which has the key with it."""
    heads: list[str] = []
    async with raw_server(says(OK)) as (port, heard):
        inside = f"http://127.0.0.1:{port}/"
        away = f"HTTP/1.1 {status} X\r\nLocation: {inside}\r\nConnection: close\r\n\r\n"
        async with (
            raw_server(recording(heads, away.encode())) as (gateway, _),
            wired(tmp_path, clock, provider_url=f"http://127.0.0.1:{gateway}") as node,
        ):
            hop = Reaction(status=status, headers={"location": inside})
            node.receiver.script("/hop", [hop])
            made = await node.subscribe("t1", f"{node.receiver.url}/hop", deadline_s=20.0)
            await node.turn(5)
            seen = (await node.show(made)).last_poll
            assert seen is not None
            assert seen.outcome is PollOutcome.MISCONFIGURED
            assert len(heads) == 1
            await node.turn(20)
            await node.turn(5)
            [attempt, *_] = (await node.delivery(made)).log
            assert attempt.outcome is AttemptOutcome.REDIRECTED
        assert heard.opened == 0


LEAVING = (
    "../admin", "..%2fadmin", "%2e%2e", "%2e%2e%2fadmin", "a/b", "a//b", "//evil.test",
    "/\\evil.test", "a?key=1", "a#f", "a@evil.test", "@evil.test", ":80", "a;b",
    "a%00b", "a%0d%0aX", "a&b=c", "a+b", "~", "ä", "東", ".git", "a..", "...",
    "http://evil.test/", "a\x00b", "a\\..\\b",
    "a b", "\t", "a\r\nX-Evil: 1",
)  # fmt: skip


async def test_task_ids_and_params_stay_one_piece_of_the_path(
    tmp_path: Path, clock: FakeClock
) -> None:
    """An operator's page may let anything through; it still goes where the page says."""
    page = {
        "task_id": "(?s).+",
        "params": {
            "app": {"pattern": "(?s).+", "required": True},
            "q": {"pattern": "(?s).+"},
        },
        "request": {
            "path": "/v1/{app}/tasks/{task_id}",
            "aliases": [],
            "query": {"q": "{q}"},
        },
    }
    heads: list[str] = []
    async with (
        raw_server(recording(heads)) as (port, _),
        wired(
            tmp_path, clock, provider_url=f"http://127.0.0.1:{port}/base", page=page
        ) as node,
    ):
        url = f"{node.receiver.url}/ok"
        for text in LEAVING:
            await node.subscribe(text, url, params={"app": text, "q": text})
        for text in ("..", "."):
            await node.subscribe(text, url, params={"app": "x"})
            await node.subscribe("x", url, params={"app": text})
        await node.turn(5)
        asked = []
        for head in heads:
            line, *fields = head.splitlines()
            assert f"Host: 127.0.0.1:{port}" in fields
            assert not any(field.startswith("X-Evil") for field in fields)
            method, target, version = line.split(" ")
            assert (method, version) == ("GET", "HTTP/1.1")
            path, _, query = target.partition("?")
            empty, base, v1, app, tasks, task_id = path.split("/")
            assert (empty, base, v1, tasks) == ("", "base", "v1", "tasks")
            assert unquote(app) == unquote(task_id) == unquote(query.removeprefix("q="))
            assert "&" not in query
            asked.append(unquote(task_id))
        assert sorted(asked) == sorted(LEAVING)


@given(
    page=st.sampled_from([preset(name) for name in ("amux", "ark", "mixroute", "sandbox")]),
    task_id=st.text() | st.text("./%?#@:\\ab", max_size=6),
)
def test_whatever_a_caller_writes_the_question_keeps_its_origin(
    page: Page, task_id: str
) -> None:
    """As the HTTP client reads the URL, which is what counts in the end."""
    if check_task(page, task_id, {}):
        return
    for attempt in range(5):
        asked = poll_request(page, "https://api.test/x", task_id, {}, "k", attempt=attempt)
        sent = URL(asked.url, encoded=True)
        plain = URL(page.request.path_of(attempt).replace("{task_id}", "t"))
        assert (sent.scheme, sent.raw_host, sent.port) == ("https", "api.test", 443)
        assert sent.raw_user is sent.raw_password is None
        assert len(sent.raw_parts) == len(plain.raw_parts) + 1
        assert not {"..", "."} & set(sent.raw_parts)
        assert not sent.raw_fragment


async def test_the_key_goes_to_its_provider_and_to_nobody_else(
    tmp_path: Path, clock: FakeClock
) -> None:
    """Not to another provider, a result's host, a receiver or the host of a redirect."""
    heads: list[str] = []
    end = (
        b'{"task_id": "t1", "status": "completed", "url": "http://127.0.0.1:%d/v.mp4",'
        b' "polling_url": "http://127.0.0.1:%d/poll"}'
    )
    async with raw_server(says(OK)) as (port, heard):
        body = end % (port, port)
        answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body
        async with (
            raw_server(recording(heads, answer)) as (gateway, _),
            wired(tmp_path, clock, provider_url=f"http://127.0.0.1:{gateway}") as node,
        ):
            await node.subscribe("t1", f"{node.receiver.url}/ok")
            await node.subscribe("t1", f"{node.receiver.url}/ok", provider_key="sk-own")
            await node.turn(5)
            keys = sorted(
                line.partition(": ")[2]
                for head in heads
                for line in head.splitlines()
                if line.startswith("Authorization")
            )
            assert keys == ["Bearer sk-amux", "Bearer sk-own"]
            assert len(node.receiver.requests) == 2
            for received in node.receiver.requests:
                whole = repr(received.headers) + received.body.decode() + received.query
                assert "sk-" not in whole
        assert heard.opened == 0


async def test_a_listed_host_opens_itself_and_not_its_address(
    tmp_path: Path, clock: FakeClock
) -> None:
    """`allow_hosts: [n8n]` is about n8n, in the container next door, and nothing else."""
    names = {name: ["127.0.0.1"] for name in ("n8n", "other", "xn8n", "n8n.test")}
    callbacks = {"allow_hosts": ["n8n"], "allow_networks": ["10.0.0.0/8"]}
    async with wired(tmp_path, clock, names, callbacks=callbacks) as node:
        port = node.receiver.url.rpartition(":")[2]
        hosts = ("n8n", "N8N", "n8n.", "other", "xn8n", "n8n.test", "127.0.0.1", "[::1]")
        made = {
            host: await node.subscribe(
                "no-url-0s", f"http://{host}:{port}/ok", metadata={"host": host}
            )
            for host in hosts
        }
        await node.turn(5)
        outcomes = {host: (await node.delivery(made[host])).last_outcome for host in hosts}
        open_ = {host for host, one in outcomes.items() if one is AttemptOutcome.ACCEPTED}
        assert open_ == {"n8n", "N8N", "n8n."}
        assert {outcomes[host] for host in hosts if host not in open_} == {
            AttemptOutcome.ADDRESS_FORBIDDEN
        }


async def test_a_provider_inside_opens_nothing_for_callbacks_nor_they_for_it(
    tmp_path: Path, clock: FakeClock
) -> None:
    """The operator wrote the one into the configuration; the other anybody may write."""
    async with wired(tmp_path, clock, callbacks=NOWHERE) as node:
        made = await node.subscribe("no-url-0s", f"{node.receiver.url}/ok")
        await node.turn(5)
        assert node.provider.requests == 1
        delivery = await node.delivery(made)
        assert delivery.last_outcome is AttemptOutcome.ADDRESS_FORBIDDEN
        assert not node.receiver.requests


async def test_a_presets_own_address_must_be_public(
    tmp_path: Path, clock: FakeClock
) -> None:
    """Nobody listed it: whoever owns its name, or spoofs it, must not lead us inside."""
    names = {"api.amux.ai": ["127.0.0.1"]}
    callbacks = {"allow_hosts": ["api.amux.ai"], "allow_networks": ["127.0.0.0/8"]}
    async with wired(tmp_path, clock, names, callbacks=callbacks, base_url=None) as node:
        made = await node.subscribe("t1", f"{node.receiver.url}/ok")
        await node.turn(5)
        seen = (await node.show(made)).last_poll
        assert seen is not None
        assert (seen.outcome, seen.detail) == (PollOutcome.UNREACHABLE, "address_forbidden")
