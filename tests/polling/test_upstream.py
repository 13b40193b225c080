"""Whatever a provider does, one question ends in one Answer, in time, and leaks nothing."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.model import Answer, PollRequest
from bridge.net.body import ByteBudget
from bridge.net.guard import Egress
from bridge.polling.upstream import Upstream
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
    way_out,
)

MIB = 1 << 20


async def ask(
    egress: Egress,
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout_s: float = 5,
    cap: int = MIB,
) -> Answer:
    upstream = Upstream(egress, cap=cap, budget=ByteBudget(MIB))
    question = PollRequest(
        method=method, url=url, headers=headers or {}, body=body, timeout_s=timeout_s
    )
    return await upstream.ask(question)


@asynccontextmanager
async def provider(
    talk: Talk, names: Mapping[str, Sequence[str]] | None = None
) -> AsyncIterator[tuple[Egress, str, Heard]]:
    async with raw_server(talk) as (port, heard), way_out(names) as egress:
        yield egress, f"http://127.0.0.1:{port}/task", heard


async def test_an_answer_has_status_headers_and_body() -> None:
    """
    All that a page of YAML can look at.
    """
    said = b"HTTP/1.1 404 Nope\r\nX-ID: 7\r\nX-ID: 8\r\nContent-Length: 2\r\n\r\n{}"
    async with provider(says(said)) as (egress, url, _):
        assert await ask(egress, url) == Answer(
            http_status=404,
            headers={"x-id": "7", "content-length": "2"},
            body=b"{}",
        )


async def test_the_question_goes_out_as_it_was_made() -> None:
    """
    Method, key and encoded path segments are the provider page's word.
    """
    sent: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent.append(await request(reader))
        writer.write(OK)

    async with provider(talk) as (egress, url, _):
        await ask(
            egress,
            url + "/a%2Fb?id=%zz",
            method="POST",
            headers={"Authorization": "Bearer k", "Content-Type": "application/json"},
            body=b"[1]",
        )
    head, _, body = sent[0].partition(b"\r\n\r\n")
    line, *fields = head.split(b"\r\n")
    assert line == b"POST /task/a%2Fb?id=%zz HTTP/1.1"
    assert b"Authorization: Bearer k" in fields
    assert b"Accept-Encoding: gzip, deflate" in fields
    assert b"User-Agent: poll-bridge/test (self-hosted)" in fields
    assert body == b"[1]"


async def test_a_connection_is_used_again() -> None:
    """
    A handshake for every poll would cost the provider, and us, more than the poll.
    """

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await request(reader)
            writer.write(OK)

    async with provider(talk) as (egress, url, heard):
        for _ in range(3):
            assert (await ask(egress, url)).body == b"ok"
        assert heard.opened == 1


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    """
    Following it would hand the key to whoever it points at.
    """
    async with provider(says(OK)) as (egress, elsewhere, heard):
        said = f"HTTP/1.1 302 Found\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n"
        async with raw_server(says(said.encode())) as (port, _):
            answer = await ask(egress, f"http://127.0.0.1:{port}/")
        assert answer.http_status == 302
        assert answer.headers["location"] == elsewhere
        assert heard.opened == 0


async def test_no_cookie_is_kept() -> None:
    """
    What one client's poll was told must not follow another client's.
    """
    sent: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent.append(await request(reader))
        writer.write(OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b; Path=/\r\n\r\n"))

    # Cookies are never kept for bare addresses, so this needs a name.
    names = {"gateway.test": ["127.0.0.1"]}
    async with raw_server(talk) as (port, _), way_out(names) as egress:
        for _ in range(2):
            await ask(egress, f"http://gateway.test:{port}/")
    assert b"cookie" not in sent[1].lower()


async def test_a_packed_answer_is_unpacked() -> None:
    """
    Most gateways pack.
    """
    packed = gzip.compress(b'{"status": "running"}')
    said = (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n" + packed
    )
    async with provider(says(said)) as (egress, url, _):
        assert (await ask(egress, url)).body == b'{"status": "running"}'


@pytest.mark.parametrize(
    ("talk", "failure"),
    [
        (hang, "timeout"),
        (says(b"", hang), "timeout"),
        (says(b"HTTP/1.1 200 OK\r\nContent-Le", hang), "timeout"),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", hang), "timeout"),
        (
            says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe", hang),
            "timeout",
        ),
        (endless(b"HTTP/1.1 100 Continue\r\n\r\n"), "timeout"),
        (says(b""), "reset"),
        (says(b"", reset), "reset"),
        (says(b"HTTP/1.1 200 OK\r\n"), "reset"),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), "reset"),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", reset), "reset"),
        (
            says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            "invalid_answer",
        ),
        (says(b"SSH-2.0-OpenSSH_9.9\r\n"), "invalid_answer"),
        (says(b"HTTP/1.1 two OK\r\n\r\n"), "invalid_answer"),
        (says(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000), "invalid_answer"),
        (says(b"HTTP/1.1 200 OK\r\n" + b"X-Y: z\r\n" * 5000 + b"\r\n"), "invalid_answer"),
        (says(b"x" * 100_000, hang), "invalid_answer"),
        (
            says(
                b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok"
            ),
            "invalid_answer",
        ),
    ],
)
async def test_a_broken_answer_is_a_failure_in_time_and_frees_its_connection(
    talk: Talk, failure: str
) -> None:
    """
    Each of these has been seen on the internet.
    """
    async with provider(talk) as (egress, url, heard), asyncio.timeout(15):
        answer = await ask(egress, url, timeout_s=0.6)
        assert (answer.http_status, answer.failure) == (None, failure)
        await heard.until_open(0)


@pytest.mark.parametrize(
    ("said", "status", "body"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, b"until the end"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", 304, b""),
        (b"HTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 103 Hints\r\n\r\n" + OK, 200, b"ok"),
        (b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n", 429, b""),
        (b"HTTP/1.1 999 ?\r\nContent-Length: 0\r\n\r\n", 999, b""),
        (OK + b"HTTP/1.1 200 OK\r\n\r\nnobody asked", 200, b"ok"),
    ],
)
async def test_an_unusual_answer_is_an_answer(
    said: bytes, status: int, body: bytes
) -> None:
    """
    HTTP has corners that real servers live in.
    """
    async with provider(says(said)) as (egress, url, _):
        answer = await ask(egress, url)
        assert (answer.http_status, answer.body, answer.failure) == (status, body, None)


async def test_an_answer_that_is_too_large_is_told_and_not_kept() -> None:
    """
    One provider's flood must not drown the process.
    """
    said = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    async with provider(says(said, endless(b"x" * 9999))) as (egress, url, heard):
        answer = await ask(egress, url, cap=100_000)
        assert (answer.http_status, answer.too_large, answer.body) == (200, True, b"")
        await heard.until_open(0)


async def test_large_answers_share_one_budget() -> None:
    """
    Many at once must not be more than the process can hold; the next ones find room again.
    """
    half = MIB // 2
    large = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (half + 1) + b"x" * half
    last = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(large)
        await last.wait()
        writer.write(b"x")

    async with provider(talk) as (egress, url, _), asyncio.timeout(15):
        budget = ByteBudget(MIB)
        upstream = Upstream(egress, cap=MIB, budget=budget)
        question = PollRequest(method="GET", url=url, headers={})
        asked = [asyncio.ensure_future(upstream.ask(question)) for _ in range(4)]
        done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        last.set()
        answers = await asyncio.gather(*asked)
        assert {task.result().too_large for task in done} == {True}
        assert sorted(len(answer.body) for answer in answers)[-2:] == [half + 1, half + 1]
        assert budget.free == MIB


async def test_a_name_that_does_not_exist_is_a_dns_error() -> None:
    """
    Told apart from a server that is down.
    """
    async with way_out() as egress:
        assert (await ask(egress, "http://missing.test/")).failure == "dns_error"


async def test_nobody_listening_is_a_connect_error() -> None:
    """
    Nothing was sent, so nothing can have happened there.
    """
    async with raw_server(says(OK)) as (port, _):
        pass
    async with way_out() as egress:
        assert (await ask(egress, f"http://127.0.0.1:{port}/")).failure == "connect_error"


async def test_a_forbidden_address_is_told() -> None:
    """
    The operator reads which rule it was.
    """
    async with way_out(allow_networks=()) as egress:
        assert (await ask(egress, "http://127.0.0.1/")).failure == "address_forbidden"


async def test_a_connection_that_takes_too_long_is_a_connect_error() -> None:
    """
    Even a full pool: what was never sent cannot have been acted upon.
    """
    async with raw_server(hang) as (port, _), way_out(limit=1) as egress:
        url = f"http://127.0.0.1:{port}/"
        first, second = await asyncio.gather(
            ask(egress, url, timeout_s=1.5), ask(egress, url, timeout_s=0.3)
        )
        assert (first.failure, second.failure) == ("timeout", "connect_error")


@pytest.mark.parametrize(
    "url",
    ["http://a b/", "http://[::1/", "http:///", "ftp://127.0.0.1/", "http://a:99999/", ""],
)
async def test_a_url_that_cannot_be_called_is_a_failure(url: str) -> None:
    """
    URLs out of a provider's answer are a stranger's word.
    """
    async with way_out() as egress:
        assert (await ask(egress, url)).failure in (
            "address_forbidden",
            "connect_error",
            "dns_error",
        )


@pytest.mark.parametrize("key", ["k\r\nX: y", "k\n", "k\0"])
async def test_a_header_that_cannot_be_written_is_a_failure(key: str) -> None:
    """
    A caller's key with a line break in it must not stop the program.
    """
    async with provider(says(OK)) as (egress, url, heard):
        answer = await ask(egress, url, headers={"Authorization": key})
        assert answer.failure == "connect_error"
        await heard.until_open(0)


async def test_a_header_that_is_not_utf_8_can_be_kept() -> None:
    """
    It is stored and shown, which needs characters that can be encoded.
    """
    said = OK.replace(b"\r\n\r\n", b"\r\nX-Region: Z\xfcrich \xe4\xb8\xad\r\n\r\n")
    async with provider(says(said)) as (egress, url, _):
        answer = await ask(egress, url)
        assert answer.headers["x-region"] == "Z?rich 中"


async def test_tls_is_spoken_and_the_authority_file_is_trusted(tmp_path: Path) -> None:
    """
    Self-hosted gateways have authorities of their own.
    """
    tls, authority = certificate(tmp_path, "gateway.test")
    names = {"gateway.test": ["127.0.0.1"]}
    async with (
        raw_server(says(OK), tls) as (port, _),
        way_out(names, ca_file=authority) as egress,
    ):
        assert (await ask(egress, f"https://gateway.test:{port}/")).body == b"ok"


async def test_a_certificate_that_does_not_hold_is_a_tls_error(tmp_path: Path) -> None:
    """
    Nobody in between reads a key.
    """
    tls, _ = certificate(tmp_path, "gateway.test")
    async with raw_server(says(OK), tls) as (port, _), way_out() as egress:
        assert (await ask(egress, f"https://127.0.0.1:{port}/")).failure == "tls_error"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=60),
        st.binary(max_size=60).map(lambda tail: b"HTTP/1.1 200 OK\r\n" + tail),
        st.binary(max_size=60).map(lambda tail: b"HTTP/1.1 200 OK\r\nSet-Cookie:" + tail),
        st.binary(max_size=60).map(lambda tail: OK[:-4] + tail),
    )
)
def test_no_bytes_whatever_raise(said: bytes) -> None:
    """
    A provider's answer is a stranger's word, down to the last byte.
    """

    async def once() -> None:
        async with provider(says(said)) as (egress, url, _), asyncio.timeout(15):
            answer = await ask(egress, url, timeout_s=1)
            assert (answer.http_status is None) == (answer.failure is not None)

    asyncio.run(once())
