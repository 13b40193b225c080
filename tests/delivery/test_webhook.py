"""Whatever a receiver does, one attempt ends in one Reply, in time, and leaks nothing."""

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.delivery.webhook import KEPT_BYTES, READ_BYTES, Sender
from bridge.model import Reply
from bridge.net.guard import Egress
from bridge.receivers.callback import destination
from tests.net.hostile import (
    OK,
    Heard,
    Talk,
    certificate,
    endless,
    hang,
    raw_server,
    request,
    reset,
    says,
    wants_certificate,
    way_out,
)

SECRET = "secret-path-of-a-callback"
NOW = 1_795_176_000.0  # Fri, 20 Nov 2026 12:00:00 GMT


async def send(
    egress: Egress,
    url: str,
    *,
    method: str = "POST",
    own: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = b'{"type": "task.succeeded"}',
    timeout_s: float = 5,
) -> Reply:
    sender = Sender(egress, timeout_s=timeout_s, wall=lambda: NOW)
    callback = destination(url, own or {}, https_only=False)
    sent = {"Content-Type": "application/json", **(headers or {})}
    return await sender.send(callback, method, callback.url, sent, body)


@asynccontextmanager
async def receiver(talk: Talk) -> AsyncIterator[tuple[Egress, str, Heard]]:
    """The way out, the URL of a receiver that talks so, and what it sees."""
    async with raw_server(talk) as (port, heard), way_out() as egress:
        yield egress, f"http://127.0.0.1:{port}/{SECRET}", heard


def status(line: str, *fields: str, body: str = "") -> bytes:
    fields = (*fields, f"Content-Length: {len(body)}")
    return "\r\n".join([f"HTTP/1.1 {line}", *fields, "", body]).encode()


async def test_a_webhook_goes_out_as_it_was_signed() -> None:
    """
    Signatures cover bytes; a query is the n8n flow's own signature.
    """
    sent: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent.append(await request(reader))
        writer.write(OK)

    async with receiver(talk) as (egress, url, _):
        reply = await send(
            egress,
            url + "/9?signature=a%2Fb%3D&x=%zz",
            own={"Authorization": "Bearer own", "X-Own": "1"},
            headers={"webhook-id": "msg_1", "x-own": "2"},
            body=b'{"a":  1}',
        )
    head, _, body = sent[0].partition(b"\r\n\r\n")
    line, *fields = head.split(b"\r\n")
    assert line == f"POST /{SECRET}/9?signature=a%2Fb%3D&x=%zz HTTP/1.1".encode()
    assert b"Authorization: Bearer own" in fields
    assert b"Content-Type: application/json" in fields
    assert b"webhook-id: msg_1" in fields
    assert b"User-Agent: poll-bridge/test (self-hosted)" in fields
    assert [field for field in fields if field.lower().startswith(b"x-own")] == [
        b"x-own: 2"
    ]
    assert body == b'{"a":  1}'
    assert reply == Reply(outcome=reply.outcome, http_status=200, body=b"ok")
    assert reply.outcome == "accepted"


async def test_a_get_callback_has_its_facts_in_the_query_and_no_body() -> None:
    """
    No-code tools left on GET are called too.
    """
    sent: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent.append(await request(reader))
        writer.write(OK)

    async with receiver(talk) as (egress, url, _):
        callback = destination(url, {}, https_only=False)
        sender = Sender(egress, timeout_s=5, wall=lambda: NOW)
        reply = await sender.send(callback, "GET", f"{url}?task_id=a%20b", {}, None)
    assert sent[0].startswith(f"GET /{SECRET}?task_id=a%20b HTTP/1.1\r\n".encode())
    assert sent[0].endswith(b"\r\n\r\n")
    assert reply.outcome == "accepted"


@pytest.mark.parametrize(
    ("said", "outcome", "http_status"),
    [
        (status("200 OK"), "accepted", 200),
        (status("202 Accepted"), "accepted", 202),
        (status("299 Odd"), "accepted", 299),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "accepted", 204),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", "accepted", 200),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, "accepted", 200),
        (b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + OK, "accepted", 200),
        (
            b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            "refused",
            101,
        ),
        (status("301 Moved", "Location: http://127.0.0.1:1/"), "redirected", 301),
        (status("302 Found"), "redirected", 302),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", "redirected", 304),
        (status("308 Moved", "Location: /x"), "redirected", 308),
        (status("400 Bad"), "refused", 400),
        (status("404 Not Found"), "refused", 404),
        (status("408 Timeout"), "refused", 408),
        (status("409 Conflict"), "conflict", 409),
        (status("410 Gone"), "gone", 410),
        (status("425 Early"), "refused", 425),
        (status("429 Slow"), "throttled", 429),
        (status("500 Oops"), "refused", 500),
        (status("503 Busy"), "refused", 503),
        (status("999 What"), "refused", 999),
    ],
)
async def test_each_status_has_its_outcome(
    said: bytes, outcome: str, http_status: int
) -> None:
    """
    The schedule and the promises to receivers hang on these words.
    """
    async with receiver(says(said)) as (egress, url, _):
        reply = await send(egress, url)
        assert (reply.outcome.value, reply.http_status) == (outcome, http_status)


async def test_a_redirect_is_not_followed() -> None:
    """
    A POST that turns into a GET without a body would be lost and look delivered.
    """
    async with receiver(says(OK)) as (egress, elsewhere, heard):
        async with raw_server(says(status("302 Found", f"Location: {elsewhere}"))) as (
            port,
            _,
        ):
            reply = await send(egress, f"http://127.0.0.1:{port}/")
        assert reply.outcome == "redirected"
        assert reply.detail == f"redirects to {elsewhere.removesuffix(f'/{SECRET}')}"
        assert heard.opened == 0


@pytest.mark.parametrize(
    ("said", "then"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", hang),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", reset),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", None),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", hang),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", reset),
        (b"HTTP/1.1 200 OK\r\n\r\nhalf", hang),
    ],
)
async def test_2xx_is_accepted_whatever_becomes_of_the_body(
    said: bytes, then: Talk | None
) -> None:
    """
    The receiver has it; sending again would be a duplicate.
    """
    async with receiver(says(said, then)) as (egress, url, heard), asyncio.timeout(15):
        reply = await send(egress, url, timeout_s=0.3)
        assert (reply.outcome.value, reply.http_status) == ("accepted", 200)
        assert reply.body == b"half"
        await heard.until_open(0)


async def test_the_status_decides_for_other_answers_too() -> None:
    """
    A receiver that says 410 and breaks off is gone all the same.
    """
    said = b"HTTP/1.1 410 Gone\r\nContent-Length: 9\r\nRetry-After: 7\r\n\r\nhalf"
    async with receiver(says(said, reset)) as (egress, url, _):
        reply = await send(egress, url)
        assert (reply.outcome.value, reply.body) == ("gone", b"half")
        assert reply.retry_after_s == 7


async def test_an_endless_body_is_cut_and_accepted_at_once() -> None:
    """
    Enough is read to free the connection of an honest receiver, and no more.
    """
    said = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"
    async with receiver(says(said, endless(b"x" * 999))) as (egress, url, heard):
        reply = await send(egress, url)
        assert reply.outcome == "accepted"
        assert reply.body == b"x" * KEPT_BYTES
        assert reply.content_type == "text/html"
        await heard.until_open(0)


async def test_a_dripping_body_is_accepted_at_the_deadline() -> None:
    """
    Each drop is in time, all of them together are not: the slot is freed all the same.
    """

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        loop = asyncio.get_running_loop()

        def drop() -> None:
            if not writer.is_closing():
                writer.write(b".")
                loop.call_later(0.01, drop)

        drop()
        await reader.read()

    async with receiver(talk) as (egress, url, heard), asyncio.timeout(15):
        reply = await send(egress, url, timeout_s=0.2)
        assert reply.outcome == "accepted"
        assert set(reply.body) == {ord(".")}
        await heard.until_open(0)


async def test_a_bomb_in_an_answer_is_defused() -> None:
    """
    A receiver cannot make us unpack more than we would have read.
    """
    bomb = gzip.compress(bytes(16 << 20), compresslevel=1, mtime=0)
    said = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + bomb
    async with receiver(says(said, hang)) as (egress, url, heard):
        reply = await send(egress, url)
        assert reply.outcome == "accepted"
        assert reply.body == bytes(KEPT_BYTES)
        await heard.until_open(0)


@pytest.mark.parametrize(
    ("talk", "outcome"),
    [
        (hang, "timeout"),
        (says(b"", hang), "timeout"),
        (says(b"HTTP/1.1 200 OK\r\nX-Slow: ", hang), "timeout"),
        (endless(b"HTTP/1.1 102 Processing\r\n\r\n"), "timeout"),
        (says(b""), "reset"),
        (says(b"", reset), "reset"),
        (reset, "reset"),
        (says(b"HTTP/1.1 200 OK\r\nX-Cut: "), "reset"),
        (says(b"220 mail.test ESMTP\r\n"), "invalid_answer"),
        (says(b"\x15\x03\x01\x00\x02\x02\x46"), "invalid_answer"),
        (says(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000), "invalid_answer"),
        (says(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000 + b"\r\n"), "invalid_answer"),
        (says(b"HTTP/1.1 200 OK\r\nbroken header\r\n\r\n"), "invalid_answer"),
    ],
)
async def test_no_status_in_time_is_an_outcome_and_frees_the_connection(
    talk: Talk, outcome: str
) -> None:
    """
    Something was sent, so the receiver may have acted: these count as lost.
    """
    async with receiver(talk) as (egress, url, heard), asyncio.timeout(10):
        reply = await send(egress, url, timeout_s=0.6)
        assert reply.outcome.value == outcome
        assert reply.outcome.lost
        assert reply.http_status is None
        assert reply.detail
        await heard.until_open(0)


async def test_an_early_answer_to_a_body_nobody_reads_is_an_answer() -> None:
    """
    Receivers refuse large bodies before they have read them.
    """

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(status("413 Too Large"))
        await writer.drain()
        await closed.wait()

    closed = asyncio.Event()
    async with receiver(talk) as (egress, url, _), asyncio.timeout(15):
        reply = await send(egress, url, body=bytes(1 << 20))
        closed.set()
        assert (reply.outcome.value, reply.http_status) == ("refused", 413)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_nothing_sent_is_told_from_something_lost(method: str) -> None:
    """
    A name or an address that was never reached cannot have acted on anything.
    """
    async with raw_server(says(OK)) as (port, _):
        pass
    async with way_out({"inside.test": ["10.0.0.1"]}) as egress:
        replies = [
            await send(egress, url, method=method, body=None)
            for url in (
                f"http://missing.test/{SECRET}",
                f"http://127.0.0.1:{port}/{SECRET}",
                f"http://inside.test/{SECRET}",
                f"http://[::1]/{SECRET}",
            )
        ]
    assert [(reply.outcome.value, reply.detail) for reply in replies] == [
        ("dns_error", "domain name not found"),
        ("connect_error", "connection refused"),
        ("address_forbidden", "10.0.0.1 is not a public address"),
        ("address_forbidden", "::1 is not a public address"),
    ]
    assert not any(reply.outcome.lost for reply in replies)


async def test_a_silent_name_server_is_a_dns_error_within_the_time() -> None:
    """
    The receiver is not to blame, and nobody waits longer than the deadline.
    """
    async with way_out({"silent.test": None}) as egress, asyncio.timeout(15):
        reply = await send(egress, "http://silent.test/", timeout_s=2)
        assert (reply.outcome.value, reply.detail) == ("dns_error", "no answer within 1 s")


@pytest.mark.parametrize(
    ("name", "days", "trusted", "detail"),
    [
        ("hook.test", 1, False, "self-signed certificate"),
        ("hook.test", -1, True, "certificate has expired"),
        ("other.test", 1, True, "not valid for 'hook.test'"),
    ],
)
async def test_a_certificate_that_does_not_hold_is_a_tls_error(
    tmp_path: Path, name: str, days: int, trusted: bool, detail: str
) -> None:
    """
    The log says what is wrong with it, which is the usual question.
    """
    tls, authority = certificate(tmp_path, name, days=days)
    async with (
        raw_server(says(OK), tls) as (port, _),
        way_out(
            {"hook.test": ["127.0.0.1"]}, ca_file=authority if trusted else None
        ) as egress,
    ):
        reply = await send(egress, f"https://hook.test:{port}/{SECRET}")
        assert reply.outcome == "tls_error"
        assert detail in str(reply.detail)


async def test_a_receiver_that_wants_a_client_certificate_is_told_so(
    tmp_path: Path,
) -> None:
    """
    It refuses only after the handshake, so this looks like any reset but for its words.
    """
    tls, authority = certificate(tmp_path, "hook.test")
    async with (
        raw_server(wants_certificate(tls)) as (port, _),
        way_out({"hook.test": ["127.0.0.1"]}, ca_file=authority) as egress,
    ):
        reply = await send(egress, f"https://hook.test:{port}/{SECRET}")
        assert reply.outcome == "reset"
        assert "certificate required" in str(reply.detail)


async def test_https_to_a_plain_server_is_a_tls_error() -> None:
    """
    A wrong scheme in the callback URL is a common mistake.
    """

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with raw_server(talk) as (port, _), way_out() as egress:
        reply = await send(egress, f"https://127.0.0.1:{port}/{SECRET}")
        assert reply.outcome == "tls_error"
        assert str(reply.detail).startswith("TLS failed: ")


async def test_a_tls_handshake_that_never_ends_is_a_connect_error() -> None:
    """
    Nothing of ours was sent yet.
    """
    async with raw_server(hang) as (port, heard), way_out() as egress:
        reply = await send(egress, f"https://127.0.0.1:{port}/", timeout_s=0.3)
        assert reply.outcome == "connect_error"
        await heard.until_open(0)


async def test_no_detail_holds_the_url() -> None:
    """
    The path of a callback is its password, and details are logged.
    """
    talks = (hang, reset, says(b""), says(b"garbage\r\n\r\n"), says(OK[:30] + b"\x00"))
    for talk in talks:
        async with receiver(talk) as (egress, url, _):
            reply = await send(egress, f"{url}?key={SECRET}", timeout_s=0.3)
            assert SECRET not in repr(reply)
            assert "127.0.0.1" not in str(reply.detail)
    async with receiver(reset) as (egress, url, _):
        reply = await send(egress, url, body=bytes(1 << 20))  # fails while it is written
        assert SECRET not in repr(reply)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("Fri, 20 Nov 2026 12:00:30 GMT", 30),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0),
        ("99999999", 86_400),
        ("later", None),
    ],
)
async def test_retry_after_is_told(header: str, seconds: float | None) -> None:
    """
    Whatever the status; dates count from the wall clock.
    """
    said = status("503 Busy", f"Retry-After: {header}")
    async with receiver(says(said)) as (egress, url, _):
        assert (await send(egress, url)).retry_after_s == seconds


async def test_the_first_bytes_of_an_answer_are_kept() -> None:
    """
    People read there why their receiver refused.
    """
    text = "x" * (KEPT_BYTES + 1)
    said = status("500 Oops", "Content-Type: text/plain; charset=\xfc", body=text)
    async with receiver(says(said)) as (egress, url, _):
        reply = await send(egress, url)
        assert reply.body == text[:-1].encode()
        assert reply.content_type is not None
        reply.content_type.encode()


async def test_a_connection_is_used_again_after_a_whole_answer() -> None:
    """
    Hundreds of deliveries a second to one host need few handshakes.
    """

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await request(reader)
            writer.write(status("200 OK", body="x" * READ_BYTES))

    async with receiver(talk) as (egress, url, heard):
        for _ in range(3):
            assert (await send(egress, url)).outcome == "accepted"
        assert heard.opened == 1


async def test_one_deadline_holds_over_everything() -> None:
    """
    Slow headers and a slow body do not add up to two deadlines.
    """

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        half = asyncio.Event()
        asyncio.get_running_loop().call_later(1.2, half.set)
        await half.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
        await reader.read()

    async with receiver(talk) as (egress, url, heard):
        started = time.monotonic()
        assert (await send(egress, url, timeout_s=2.0)).outcome == "accepted"
        assert time.monotonic() - started < 3.0
        await heard.until_open(0)


async def test_cancelling_an_attempt_frees_its_connection() -> None:
    """
    The service may stop at any instant.
    """
    async with receiver(hang) as (egress, url, heard), asyncio.timeout(15):
        attempt = asyncio.ensure_future(send(egress, url))
        await heard.until_open(1)
        attempt.cancel()
        await asyncio.wait({attempt})
        assert attempt.cancelled()
        await heard.until_open(0)
