"""The receivers: what they answer by path, what they keep, and what they find proven."""

import io
import json
import sys
from collections.abc import AsyncIterator

import aiohttp
import pytest
from yarl import URL

from bridge import signature
from bridge.clock import SystemClock
from bridge.simulator.loopback import Loopback
from bridge.simulator.proof import fault_of
from bridge.simulator.reactions import Before, Reaction, reaction
from bridge.simulator.receiver import ReceiverSimulator
from tests.simulator.swift_clock import SwiftClock

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + "b3RoZXIt" * 4


@pytest.fixture
def clock() -> SwiftClock:
    return SwiftClock()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


@pytest.fixture
async def receiver(clock: SwiftClock) -> AsyncIterator[ReceiverSimulator]:
    async with ReceiverSimulator(clock, secrets=[SECRET], independent=False) as simulator:
        yield simulator


async def post(
    http: aiohttp.ClientSession,
    url: str,
    message_id: str = "msg_1",
    body: bytes | io.BytesIO = b"{}",
) -> int:
    async with http.post(
        url, data=body, headers={"webhook-id": message_id}, allow_redirects=False
    ) as response:
        await response.read()
        return response.status


def statuses(path: str, method: str = "POST") -> list[int]:
    had = (Before(same_id=n, same_path=n, method=method) for n in range(4))
    return [reaction(path, before).status for before in had]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/ok", [200, 200, 200, 200]),
        ("/flaky/2", [500, 500, 200, 200]),
        ("/flaky", [200, 200, 200, 200]),
        ("/throttle/1", [429, 200, 200, 200]),
        ("/dead", [503, 503, 503, 503]),
        ("/gone", [410, 410, 410, 410]),
        ("/redirect", [302, 302, 302, 302]),
        ("/n8n/9", [409, 200, 409, 409]),
        ("/slow/0.5", [200, 200, 200, 200]),
        ("/else", [404, 404, 404, 404]),
        ("/flaky/x", [404, 404, 404, 404]),
        ("/", [404, 404, 404, 404]),
    ],
)
def test_a_path_is_a_behaviour(path: str, expected: list[int]) -> None:
    """
    Whoever writes a test picks a receiver by its URL.
    """
    assert statuses(path) == expected


def test_details_of_the_reactions_senders_look_at() -> None:
    """
    A sender reads more than the status.
    """
    assert reaction("/throttle/1", Before()).headers == {"retry-after": "1"}
    assert reaction("/redirect", Before()).headers == {"location": "/ok"}
    assert reaction("/slow/2.5", Before()).delay_s == 2.5
    assert [reaction("/lost/1", Before(same_id=n)).lost for n in range(2)] == [True, False]


def test_n8n_answers_in_its_own_words() -> None:
    """
    The two 409s differ only by their text, and mean opposite things.
    """
    said = [
        json.loads(reaction("/n8n/9", Before(same_path=n)).body)["message"]
        for n in range(3)
    ]
    assert said == [
        'The execution "9" is running already.',
        "Workflow was started",
        'The execution "9 has finished already.',
    ]
    assert statuses("/n8n/9", "GET") == [404, 404, 404, 404]


async def test_flaky_counts_each_webhook_id_for_itself(
    receiver: ReceiverSimulator, http: aiohttp.ClientSession
) -> None:
    """
    Two webhooks to one receiver must not use up each other's refusals.
    """
    url = f"{receiver.url}/flaky/1"
    seen = [await post(http, url, each) for each in ("msg_1", "msg_2", "msg_1", "msg_2")]
    assert seen == [500, 500, 200, 200]
    assert [each.accepted for each in receiver.received["msg_1"]] == [False, True]


async def test_a_script_overrides_the_path_and_its_last_answer_stays(
    receiver: ReceiverSimulator, http: aiohttp.ClientSession
) -> None:
    """
    For the sequence no path describes.
    """
    receiver.script("/ok", [500, Reaction(status=418), 204])
    assert [await post(http, f"{receiver.url}/ok") for _ in range(4)] == [
        500,
        418,
        204,
        204,
    ]


async def test_everything_of_a_request_is_kept_as_it_came(
    receiver: ReceiverSimulator, clock: SwiftClock, http: aiohttp.ClientSession
) -> None:
    """
    Signatures are over bytes; whatever is decoded is lost as evidence.
    """
    url = URL(f"{receiver.url}/ok?a=%2F&b=c+d", encoded=True)
    async with http.put(url, data="é".encode(), headers={"X-Mine": "1"}):
        pass
    [kept] = receiver.requests
    assert (kept.at, kept.method, kept.path, kept.query) == (
        clock.at,
        "PUT",
        "/ok",
        "a=%2F&b=c+d",
    )
    assert (kept.body, kept.headers["x-mine"], kept.webhook_id) == ("é".encode(), "1", "")
    assert receiver.received == {"": [kept]}


async def test_a_large_body_is_kept_whole(
    receiver: ReceiverSimulator, http: aiohttp.ClientSession
) -> None:
    """
    The receiver must not be the one that refuses a large event.
    """
    assert await post(http, f"{receiver.url}/ok", body=io.BytesIO(b"x" * 3_000_000)) == 200
    assert len(receiver.requests[0].body) == 3_000_000


async def test_each_request_is_verified_at_the_clocks_time(
    receiver: ReceiverSimulator, clock: SwiftClock, http: aiohttp.ClientSession
) -> None:
    """
    A bridge under test may live in another year.
    """
    for secret, sent_at in (
        (SECRET, clock.at),
        (OTHER, clock.at),
        (SECRET, clock.at - 301),
    ):
        headers = signature.headers(
            message_id="msg_1", sent_at=sent_at, body=b"{}", secrets=[secret]
        )
        async with http.post(f"{receiver.url}/ok", data=b"{}", headers=headers):
            pass
    await post(http, f"{receiver.url}/ok")
    faults = [each.fault for each in receiver.requests]
    assert faults[0] is None
    assert all(faults[1:])


async def test_a_get_is_proven_by_its_query(
    receiver: ReceiverSimulator, clock: SwiftClock, http: aiohttp.ClientSession
) -> None:
    """
    Tools left on GET get the event in the URL, signed as sent.
    """
    headers = signature.headers(
        message_id="msg_1", sent_at=clock.at, body=b"", secrets=[SECRET], query=b"a=1&b=%2F"
    )
    url = URL(f"{receiver.url}/ok?a=1&b=%2F", encoded=True)
    async with http.get(url, headers=headers):
        pass
    assert receiver.requests[0].fault is None


async def test_the_reference_verifier_is_asked_on_the_machines_clock(
    http: aiohttp.ClientSession,
) -> None:
    """
    Our own verifier agreeing with our own signer would prove little.
    """
    clock = SystemClock()
    async with ReceiverSimulator(clock, secrets=[SECRET]) as receiver:
        headers = signature.headers(
            message_id="msg_1", sent_at=clock.wall(), body=b"{}", secrets=[SECRET]
        )
        async with http.post(f"{receiver.url}/ok", data=b"{}", headers=headers):
            pass
        async with http.post(f"{receiver.url}/ok", data=b"{ }", headers=headers):
            pass
    right, wrong = receiver.requests
    assert right.fault is None
    assert wrong.fault is not None
    assert "No matching signature found" in wrong.fault


def test_any_of_several_secrets_proves_it() -> None:
    """
    While a secret is rotated, two are right.
    """
    now = SystemClock().wall()
    headers = signature.headers(message_id="m", sent_at=now, body=b"{}", secrets=[SECRET])
    assert fault_of(b"{}", headers, [OTHER, SECRET]) is None
    assert fault_of(b"{}", headers, [OTHER]) is not None
    assert fault_of(b"{}", {}, []) is None
    malformed = {**headers, "webhook-signature": "v1"}
    assert str(fault_of(b"{}", malformed, [SECRET])).startswith("ValueError")


def test_our_own_verifier_stands_in_when_the_reference_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    The demo is for people who installed the product, not its test tools.
    """
    monkeypatch.setitem(sys.modules, "standardwebhooks", None)
    now = SystemClock().wall()
    headers = signature.headers(message_id="m", sent_at=now, body=b"{}", secrets=[SECRET])
    assert fault_of(b"{}", headers, [SECRET]) is None
    assert fault_of(b"{ }", headers, [SECRET]) is not None


async def test_a_slow_receiver_has_the_request_before_it_answers(
    receiver: ReceiverSimulator, clock: SwiftClock, http: aiohttp.ClientSession
) -> None:
    """
    A sender that gives up meanwhile has delivered all the same.
    """
    assert await post(http, f"{receiver.url}/slow/30") == 200
    assert clock.waits == [30.0]
    assert receiver.requests[0].at == clock.at - 30


async def test_a_lost_answer_breaks_the_connection_after_the_request(
    receiver: ReceiverSimulator, http: aiohttp.ClientSession
) -> None:
    """
    The receiver acted on it and the sender cannot know.
    """
    with pytest.raises(aiohttp.ClientConnectionError):
        await post(http, f"{receiver.url}/lost/1")
    assert await post(http, f"{receiver.url}/lost/1") == 200
    assert len(receiver.received["msg_1"]) == 2


async def test_waiting_ends_with_the_request_it_waits_for(
    receiver: ReceiverSimulator, http: aiohttp.ClientSession
) -> None:
    """
    Tests wait for what happens, never for time to pass.
    """
    with pytest.raises(TimeoutError):
        await receiver.wait_for(1, 0.01)
    await post(http, f"{receiver.url}/ok")
    await receiver.wait_for(1, 5)
    await receiver.wait_until(lambda: "msg_1" in receiver.received, 5)


async def test_news_returns_at_the_end_of_its_time(
    receiver: ReceiverSimulator, clock: SwiftClock
) -> None:
    """
    The demo's table is redrawn now and then, also when nothing comes in.
    """
    await receiver.news(0.25)
    assert clock.waits == [0.25]


async def test_a_server_that_never_started_stops_without_complaint() -> None:
    """
    A port in use must be the only error that is told.
    """
    await Loopback(lambda request: pytest.fail(request.path)).stop()
