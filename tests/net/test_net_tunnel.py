"""A proxy is told what we have vetted, and its own faults are told from the receiver's."""

import asyncio
import socket
from pathlib import Path

import pytest

from bridge.model import Way
from bridge.net.failure import FAILURES, failure
from bridge.net.guard import Egress
from tests.net.hostile import (
    LOOPBACK,
    OK,
    certificate,
    hang,
    pem,
    raw_server,
    reset,
    says,
    way_out,
)
from tests.net.proxies import proxy

PUBLIC = "93.184.216.34"
NAMES = {"app.test": [PUBLIC], "inside.test": ["10.0.0.5"]}


async def fate(egress: Egress, url: str, way: Way | None = None) -> tuple[str, str]:
    """`reached` and the answer's body, or the outcome and the words for why not."""
    try:
        async with asyncio.timeout(3):
            response = await egress.request(
                "POST",
                url,
                headers={},
                body=b"{}",
                timeout_s=2,
                **({} if way is None else {"way": way}),
            )
            try:
                return "reached", (await response.content.read()).decode()
            finally:
                response.close()
    except FAILURES as error:
        outcome, words = failure(error)
        return outcome.value, words


def through(port: int, *, credentials: str = "", scheme: str = "http") -> Way:
    return Way(proxy=f"{scheme}://{credentials}127.0.0.1:{port}")


async def test_a_receiver_is_asked_for_by_the_address_that_was_vetted() -> None:
    """
    Whatever its name server says to the proxy afterwards, it is not asked.
    """
    async with (
        raw_server(says(OK)) as (port, heard),
        proxy({f"{PUBLIC}:80": port}) as proxied,
        way_out(NAMES, allow_networks=(), way=through(proxied.port)) as egress,
    ):
        assert await fate(egress, "http://app.test/hook?key=S3CRET") == ("reached", "ok")
        assert proxied.asked == [f"{PUBLIC}:80"]
        assert b"S3CRET" not in b"".join(proxied.heads)
        assert heard.opened == 1


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "[::ffff:10.0.0.5]", "inside.test", "10.0.0.5"]
)
async def test_the_proxy_is_never_asked_for_an_inside_address(host: str) -> None:
    """
    It stands inside, and would reach what we may not.
    """
    async with (
        proxy({}) as proxied,
        way_out(NAMES, allow_networks=(), way=through(proxied.port)) as egress,
    ):
        assert (await fate(egress, f"http://{host}/"))[0] == "address_forbidden"
        assert proxied.asked == []


async def test_what_is_listed_is_reached_without_the_proxy() -> None:
    """
    The way to one's own n8n does not lead outside.
    """
    names = {"n8n": ["127.0.0.1"], "other": ["127.0.0.1"]}
    async with (
        raw_server(says(OK)) as (port, _),
        proxy({}) as proxied,
        way_out(
            names, allow_hosts=["n8n"], allow_networks=[LOOPBACK], way=through(proxied.port)
        ) as egress,
    ):
        for host in ("n8n", "other", "127.0.0.1"):
            assert await fate(egress, f"http://{host}:{port}/") == ("reached", "ok")
        assert proxied.asked == []


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_tls_to_the_receiver_goes_through_the_tunnel(
    tmp_path: Path, scheme: str
) -> None:
    """
    Its certificate is checked by its name, though the proxy was told its address; the
    proxy may have TLS of its own.
    """
    (ours := tmp_path / "ours").mkdir()
    (its := tmp_path / "its").mkdir()
    context, authority = certificate(ours, "app.test")
    own, own_authority = certificate(its, "127.0.0.1")
    names = {**NAMES, "wrong.test": [PUBLIC]}
    async with (
        raw_server(says(OK), context) as (port, _),
        proxy({f"{PUBLIC}:443": port}, tls=own if scheme == "https" else None) as proxied,
    ):
        way = Way(
            proxy=f"{scheme}://127.0.0.1:{proxied.port}",
            authorities=pem(authority) + pem(own_authority),
        )
        async with way_out(names, allow_networks=(), way=way) as egress:
            assert await fate(egress, "https://app.test/") == ("reached", "ok")
            assert (await fate(egress, "https://wrong.test/"))[0] == "tls_error"


async def test_credentials_are_sent_and_their_lack_is_the_proxys_affair() -> None:
    """
    A password that was changed there must not use up the attempts of all deliveries.
    """
    async with (
        raw_server(says(OK)) as (port, _),
        proxy({f"{PUBLIC}:80": port}, credentials=True) as proxied,
        way_out(NAMES, allow_networks=(), way=through(proxied.port)) as bare,
        way_out(
            NAMES,
            allow_networks=(),
            way=through(proxied.port, credentials="me:p%40sq@"),
        ) as known,
    ):
        outcome, words = await fate(bare, "http://app.test/")
        assert outcome == "proxy_error"
        assert "407" in words
        assert await fate(known, "http://app.test/") == ("reached", "ok")


@pytest.mark.parametrize(
    ("said", "outcome", "word"),
    [
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "proxy_error", "502"),
        (b"HTTP/1.0 503\r\n\r\n", "proxy_error", "503"),
        (b"HTTP/1.1 504 Late\r\n\r\n", "proxy_error", "504"),
        (b"HTTP/1.1 407 No\r\n\r\n", "proxy_error", "407"),
        (b"SSH-2.0-nothing\r\n\r\n", "proxy_error", "does not speak HTTP"),
        (b"x" * 20_000, "proxy_error", "does not speak HTTP"),
        (b"HTTP/1.1 200 Yes\r\n\r\nHTTP/1.1 200 OK\r\n", "proxy_error", "more than"),
        (b"HTTP/1.1 403 Not there\r\n\r\n", "connect_error", "403"),
        (
            b"HTTP/1.1 301 There\r\nLocation: http://10.0.0.5/\r\n\r\n",
            "connect_error",
            "301",
        ),
    ],
)
async def test_each_answer_to_connect_has_its_outcome(
    said: bytes, outcome: str, word: str
) -> None:
    """
    What the proxy says of itself is no word of the receiver.
    """
    async with (
        proxy({}, says=said) as proxied,
        way_out(NAMES, allow_networks=(), way=through(proxied.port)) as egress,
    ):
        found, words = await fate(egress, "http://app.test/")
        assert found == outcome
        assert word in words
        assert len(proxied.asked) == 1


async def test_a_proxy_that_is_not_there_is_a_fault_of_its_own(tmp_path: Path) -> None:
    """
    Nobody listens, it hangs up, its name is unknown, or nobody vouches for it.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dead = Way(proxy=f"http://127.0.0.1:{free.getsockname()[1]}")
    own, _ = certificate(tmp_path, "127.0.0.1")
    async with raw_server(reset) as (hanging_up, _), proxy({}, tls=own) as strange:
        for way in (
            dead,
            through(hanging_up),
            Way(proxy="http://missing.test:3128"),
            through(strange.port, scheme="https"),
        ):
            async with way_out(NAMES, allow_networks=(), way=way) as egress:
                outcome, words = await fate(egress, "http://app.test/")
                assert outcome == "proxy_error"
                assert "127.0.0.1" not in words
                assert "missing.test" not in words


async def test_a_receiver_the_proxy_waits_for_is_blamed_itself() -> None:
    """
    A black hole behind a proxy is as dead as one before it.
    """
    async with (
        raw_server(hang) as (port, _),
        way_out(NAMES, allow_networks=(), way=through(port)) as egress,
    ):
        assert (await fate(egress, "http://app.test/"))[0] == "connect_error"


async def test_a_way_by_name_tells_the_proxy_the_name() -> None:
    """
    A provider's host is the operator's own word, and in a closed network nobody but the
    proxy can look it up.
    """
    async with (
        raw_server(says(OK)) as (port, _),
        proxy({"provider.test:80": port}) as proxied,
        way_out({}, allow_networks=()) as egress,
    ):
        way = Way(proxy=f"http://127.0.0.1:{proxied.port}", by_name=True)
        assert await fate(egress, "http://provider.test/", way) == ("reached", "ok")
        assert proxied.asked == ["provider.test:80"]
        assert (await fate(egress, "http://provider.test/"))[0] == "dns_error"


async def test_a_tunnel_is_used_again() -> None:
    """
    Two round trips more for every webhook would be a waste.
    """

    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            await reader.readuntil(b"{}")
            writer.write(OK)
            await writer.drain()
        await reader.read()

    async with (
        raw_server(twice) as (port, _),
        proxy({f"{PUBLIC}:80": port}) as proxied,
        way_out(NAMES, allow_networks=(), way=through(proxied.port)) as egress,
    ):
        for _ in range(2):
            async with egress.session_for("app.test").post(
                "http://app.test/", data=b"{}"
            ) as response:
                assert await response.read() == b"ok"
        assert len(proxied.asked) == 1


def test_no_way_shows_its_password() -> None:
    """
    Values end up in logs.
    """
    assert "p4ss" not in repr(Way(proxy="http://me:p4ss@proxy.test", authorities="p4ss"))
