"""Nothing but public addresses, and what the operator listed, is ever connected to."""

import asyncio
import socket

import aiohttp
import pytest

from bridge.net.failure import FAILURES, failure
from bridge.net.guard import (
    ADDRESSES_TRIED,
    AddressForbidden,
    Egress,
)
from bridge.net.resolver import DnsFailure, Resolver
from bridge.net.sockets import TCP_OPTIONS, UNSENT_MS
from tests.net.hostile import (
    LOOPBACK,
    OK,
    hang,
    name_server,
    raw_server,
    says,
    way_out,
)


async def get(egress: Egress, url: str) -> bytes:
    """The answer's body, within a second."""
    async with asyncio.timeout(1):
        response = await egress.request("GET", url, headers={}, body=None, timeout_s=1)
        try:
            return await response.content.read()
        finally:
            response.close()


async def fate(egress: Egress, url: str) -> str:
    """`reached`, or the outcome that stands for why not."""
    try:
        await get(egress, url)
    except FAILURES as error:
        return failure(error)[0].value
    return "reached"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "0.0.0.0",
        "[::]",
        "2130706433",
        "127.1",
        "0x7f.0.0.1",
        "017700000001",
        "127.0.0.1.",
        "localhost",
        "LocalHost.",
        "foo.localhost",
        "inside.test",
        "mixed.test",
        "mapped.test",
    ],
)
async def test_the_loopback_cannot_be_reached_by_any_name(host: str) -> None:
    """
    Each of these would reach the server, if nothing stopped it; none opens a connection.
    """
    names = {
        "inside.test": ["127.0.0.1"],
        "mixed.test": ["192.0.2.1", "1.1.1.1", "127.0.0.1"],
        "mapped.test": ["::ffff:127.0.0.1"],
    }
    async with (
        raw_server(says(OK)) as (port, heard),
        way_out(names, allow_networks=()) as egress,
    ):
        expected = "dns_error" if host.startswith("0x") else "address_forbidden"
        assert await fate(egress, f"http://{host}:{port}/") == expected
        assert heard.opened == 0


async def test_a_listed_network_can_be_reached_by_name_and_by_address() -> None:
    """
    An operator's own network is theirs to open.
    """
    async with (
        raw_server(says(OK)) as (port, _),
        way_out({"inside.test": ["127.0.0.1"]}, allow_networks=[LOOPBACK]) as egress,
    ):
        assert await get(egress, f"http://127.0.0.1:{port}/") == b"ok"
        assert await get(egress, f"http://inside.test:{port}/") == b"ok"
        assert await get(egress, f"http://[::ffff:127.0.0.1]:{port}/") == b"ok"
        assert egress.session_for("inside.test") is egress.session_for("127.0.0.1")


async def test_a_listed_host_is_reached_and_its_neighbours_are_not() -> None:
    """
    `allow_hosts: [n8n]` opens n8n, not what else lives at its address.
    """
    names = {"n8n": ["127.0.0.1"], "other": ["127.0.0.1"]}
    async with (
        raw_server(says(OK)) as (port, heard),
        way_out(names, allow_hosts=["N8N."], allow_networks=()) as egress,
    ):
        assert await get(egress, f"http://n8n:{port}/") == b"ok"
        assert await get(egress, f"http://N8N.:{port}/") == b"ok"
        assert await fate(egress, f"http://other:{port}/") == "address_forbidden"
        assert await fate(egress, f"http://127.0.0.1:{port}/") == "address_forbidden"
        assert heard.opened == 2


async def test_the_list_can_change_while_running() -> None:
    """
    A reloaded configuration opens and shuts hosts without a restart.
    """
    names = {"n8n": ["127.0.0.1"], "other": ["127.0.0.1"]}
    async with (
        raw_server(says(OK)) as (port, heard),
        way_out(names, allow_hosts=["n8n"], allow_networks=()) as egress,
    ):
        inside = egress.session_for("n8n")
        assert await fate(egress, f"http://n8n:{port}/") == "reached"
        egress.allow(["OTHER."])
        assert await fate(egress, f"http://n8n:{port}/") == "address_forbidden"
        with pytest.raises(aiohttp.ClientConnectorError):
            await inside.get(f"http://127.0.0.1:{port}/")
        assert await fate(egress, f"http://other:{port}/") == "reached"
        assert heard.opened == 2


async def test_a_listed_address_is_reached_in_any_spelling() -> None:
    """
    Lists may hold addresses too.
    """
    async with (
        raw_server(says(OK)) as (port, _),
        way_out(allow_hosts=["127.0.0.1", "::ffff:127.0.0.1"], allow_networks=()) as egress,
    ):
        assert await get(egress, f"http://127.0.0.1:{port}/") == b"ok"
        assert await get(egress, f"http://[::FFFF:7F00:1]:{port}/") == b"ok"
        assert await fate(egress, f"http://127.0.0.2:{port}/") == "address_forbidden"


async def test_the_session_for_listed_hosts_refuses_all_others_itself() -> None:
    """
    Should anybody choose the wrong session, the sockets still know.
    """
    names = {"n8n": ["127.0.0.1"], "other": ["127.0.0.1"]}
    async with (
        raw_server(says(OK)) as (port, heard),
        way_out(names, allow_hosts=["n8n"], allow_networks=()) as egress,
    ):
        inside = egress.session_for("n8n")
        for host in ("other", "127.0.0.1"):
            with pytest.raises(aiohttp.ClientConnectorError) as caught:
                await inside.get(f"http://{host}:{port}/")
            assert isinstance(caught.value.os_error, AddressForbidden)
        assert heard.opened == 0


async def test_one_forbidden_address_refuses_the_whole_name() -> None:
    """
    Whoever points a name at us and at themselves hopes for the one time it works.
    """
    names = {"mixed.test": ["127.0.0.1", "10.0.0.1"]}
    async with (
        raw_server(says(OK)) as (port, heard),
        way_out(names, allow_networks=[LOOPBACK]) as egress,
    ):
        with pytest.raises(aiohttp.ClientConnectorDNSError) as caught:
            await get(egress, f"http://mixed.test:{port}/")
        assert str(caught.value.os_error) == "10.0.0.1 is not a public address"
        assert heard.opened == 0


async def test_the_environment_does_not_choose_the_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    A proxy would resolve names itself, past every check.
    """
    async with raw_server(says(OK)) as (port, heard), way_out(allow_networks=()) as egress:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        assert await fate(egress, "http://missing.test/") == "dns_error"
        assert heard.opened == 0


async def test_an_idle_connection_is_closed_before_the_server_closes_it() -> None:
    """
    A request sent into a closing connection is lost, and a POST is not simply repeated.
    """
    async with (
        raw_server(says(OK, hang)) as (port, heard),
        way_out(keep_alive_s=0.1) as egress,
        asyncio.timeout(15),
    ):
        await get(egress, f"http://127.0.0.1:{port}/")
        assert heard.open == 1
        await heard.until_open(0)


async def test_a_name_that_changes_its_answer_gains_nothing() -> None:
    """
    Vetted when subscribed, moved inside before the first delivery.
    """
    async with (
        raw_server(says(OK)) as (port, heard),
        name_server({"moving.test": ["192.0.2.1"]}, ttl_s=0) as server,
    ):
        seconds = [0.0]
        resolver = Resolver(now=lambda: seconds[0], nameservers=[server.address])
        async with Egress(
            resolver=resolver,
            allow_hosts=(),
            allow_networks=(),
            limit=1,
            user_agent="test",
        ) as egress:
            server.names["moving.test"] = ["1.1.1.1"]
            await egress.vet("moving.test")
            server.names["moving.test"] = ["127.0.0.1"]
            seconds[0] += 2
            assert await fate(egress, f"http://moving.test:{port}/") == "address_forbidden"
        await resolver.close()
        assert heard.opened == 0


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "::1"),
        ("::1", "::1"),
        ("inside.test", "172.18.0.5"),
        ("mixed.test", "172.18.0.5"),
        ("localhost", "::1"),
    ],
)
async def test_vetting_says_which_address_is_forbidden(host: str, address: str) -> None:
    """
    The caller is told at once, with what the operator needs for the list.
    """
    names = {"inside.test": ["172.18.0.5"], "mixed.test": ["1.1.1.1", "172.18.0.5"]}
    async with way_out(names, allow_networks=()) as egress:
        with pytest.raises(AddressForbidden, match="is not a public address") as caught:
            await egress.vet(host)
        assert caught.value.address == address


@pytest.mark.parametrize("host", ["public.test", "1.1.1.1", "n8n", "10.0.0.5", "[fd00::5]"])
async def test_vetting_lets_public_and_listed_hosts_pass(host: str) -> None:
    """
    Nothing is said about a host that can be called.
    """
    names = {"public.test": ["1.1.1.1"], "n8n": ["172.18.0.5"]}
    listed = ["n8n", "10.0.0.5", "FD00:0::5"]
    async with way_out(names, allow_hosts=listed, allow_networks=()) as egress:
        await egress.vet(host)


@pytest.mark.parametrize("host", ["missing.test", "listed.test"])
async def test_vetting_a_name_that_does_not_exist_is_a_dns_failure(host: str) -> None:
    """
    Which may pass by itself; the caller decides what to make of it.
    """
    async with way_out(allow_hosts=["listed.test"]) as egress:
        with pytest.raises(DnsFailure):
            await egress.vet(host)
        assert await fate(egress, f"http://{host}/") == "dns_error"


async def test_only_a_few_addresses_of_a_name_are_tried() -> None:
    """
    A name with many addresses must not make us knock at all of them.
    """
    dead = [f"127.0.0.{n}" for n in range(2, 2 + ADDRESSES_TRIED)]
    names = {"most.test": [*dead[1:], "127.0.0.1"], "all.test": [*dead, "127.0.0.1"]}
    async with raw_server(says(OK)) as (port, heard), way_out(names) as egress:
        assert await fate(egress, f"http://all.test:{port}/") == "connect_error"
        assert heard.opened == 0
        assert await fate(egress, f"http://most.test:{port}/") == "reached"


@pytest.mark.skipif(not TCP_OPTIONS, reason="the system cannot limit unsent data")
async def test_what_a_peer_never_takes_in_is_given_up_by_the_kernel() -> None:
    """
    A receiver that stops reading must not cost us a socket for each attempt.
    """
    async with raw_server(says(OK[:-1], hang)) as (port, _), way_out() as egress:
        response = await egress.session_for("127.0.0.1").get(f"http://127.0.0.1:{port}/")
        assert response.connection is not None
        assert response.connection.transport is not None
        used = response.connection.transport.get_extra_info("socket")
        limit = used.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        response.close()
        assert limit == UNSENT_MS


async def test_another_address_is_tried_when_the_first_does_not_answer() -> None:
    """
    One dead machine behind a name is no outage.
    """
    async with (
        raw_server(says(OK)) as (port, _),
        way_out({"two.test": ["127.0.0.2", "127.0.0.1"]}) as egress,
    ):
        assert await get(egress, f"http://two.test:{port}/") == b"ok"
