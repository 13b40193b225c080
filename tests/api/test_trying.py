"""POST /callbacks/test, and of a hook: one sample, sent as a real attempt is, and nothing
kept of it.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge.delivery.dispatcher import SLOT_WAIT_S, Dispatcher
from bridge.delivery.trial import Trials
from bridge.delivery.webhook import Sender
from bridge.health import Health
from bridge.messages.events import TYPES
from bridge.metrics import Metrics
from bridge.model import AttemptOutcome, Destination, Reply, Robot
from bridge.net.guard import AddressForbidden, Egress
from bridge.net.resolver import Resolver
from bridge.receivers.retry import Schedule
from bridge.signature import verify
from bridge.store import Store
from bridge.store.steps import Step, ask
from tests.api.acting import SUCCEEDED, attempt, poll
from tests.api.conftest import (
    OPS,
    OTHER,
    OTHER_SECRET,
    SHOP,
    SHOP_SECRET,
    Api,
    NotedClock,
)
from tests.net.hostile import LOOPBACK

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
GONE = Reply(outcome=AttemptOutcome.GONE, http_status=410)


@dataclass
class Receiver:
    """Keeps what it gets, and answers as it is told."""

    url: str = ""
    status: int = 200
    answer: str = "fine"
    got: list[tuple[web.Request, bytes]] = field(default_factory=list)
    held: asyncio.Event | None = None
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((request, await request.read()))
        self.came.set()
        if self.held:
            await self.held.wait()
        return web.Response(
            status=self.status, text=self.answer, headers={"Server": "toy/1", "X-Not": "x"}
        )


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    found, app = Receiver(), web.Application()
    app.router.add_route("*", "/{tail:.*}", found.take)
    async with TestServer(app) as server:
        found.url = str(server.make_url("/hook/s3cret-path"))
        yield found


@pytest.fixture
async def dispatcher(store: Store, clock: NotedClock) -> AsyncIterator[Dispatcher]:
    """Of a node that makes one attempt to a host at a time."""
    known = {"shop": [SHOP_SECRET], "other": [OTHER_SECRET]}
    resolver = Resolver(now=clock.now)
    async with Egress(
        resolver=resolver,
        allow_hosts=(),
        allow_networks=(LOOPBACK,),
        limit=10,
        user_agent="poll-bridge/test (self-hosted)",
    ) as egress:
        yield Dispatcher(
            store,
            Sender(egress, timeout_s=5, wall=clock.wall),
            secrets=lambda client: known.get(client, []),
            schedule=Schedule(),
            timeout_s=5,
            clock=clock,
            dice=Random(1),
            health=Health(),
            metrics=Metrics(),
            host_slots=1,
        )
    await resolver.close()


@pytest.fixture
async def trying(api: Api, dispatcher: Dispatcher, clock: NotedClock) -> AsyncIterator[Api]:
    """The API of a node that sends, as it is put together for real."""
    make = Trials(dispatcher.attempt, dispatcher.sender, clock.now).make
    async with api.changed(try_out=make, slot=dispatcher.slot) as found:
        yield found


async def tried(api: Api, receiver: Receiver, **fields: Any) -> Any:
    answer = await api(
        "POST", "/callbacks/test", json={"callback_url": receiver.url, **fields}
    )
    assert answer.status == 200, answer.body
    return answer.json


async def test_a_sample_is_sent_and_signed_and_told(
    trying: Api, receiver: Receiver
) -> None:
    """The whole way of a real attempt: what works here works later."""
    told = await tried(trying, receiver)
    [(request, body)] = receiver.got
    event = verify(body, request.headers, SHOP_SECRET, now=trying.clock.wall())
    assert (event["type"], event["test"]) == ("task.succeeded", True)
    assert told["sent_body"] == body.decode()
    assert told["attempt"]["id"] == event["id"] == request.headers["webhook-id"]
    assert told["attempt"]["outcome"] == "accepted"
    assert told["response"]["status"] == 200
    assert told["response"]["body"] == "fine"
    assert told["response"]["headers"]["server"] == "toy/1"
    assert "x-not" not in told["response"]["headers"]
    assert told["hint"] is None
    for name in ("webhook-signature", "X-Signature-256", "Content-Type"):
        assert told["sent_headers"][name] == request.headers[name]
    again = await tried(trying, receiver)
    assert again["attempt"]["id"] != told["attempt"]["id"]


async def test_nothing_is_kept(trying: Api, receiver: Receiver) -> None:
    """A test is no delivery: it must not turn up among those that are looked into."""
    told = await tried(trying, receiver)
    assert (await trying("GET", "/deliveries")).json["items"] == []
    assert (await trying("GET", "/subscriptions")).json["items"] == []
    answer = await trying("GET", f"/deliveries/{told['attempt']['id']}")
    assert answer.status == 404


async def test_passwords_are_sent_and_not_told(trying: Api, receiver: Receiver) -> None:
    """The answer is pasted into tickets."""
    told = await tried(
        trying,
        receiver,
        headers={"X-Key": "t0p-header"},
        auth={"type": "bearer", "token": "t0p-token"},
    )
    sent = receiver.got[0][0].headers
    assert (sent["X-Key"], sent["Authorization"]) == ("t0p-header", "Bearer t0p-token")
    assert (told["sent_headers"]["X-Key"], told["sent_headers"]["Authorization"]) == (
        *("***", "***"),
    )
    assert "t0p" not in str(told)


async def test_a_url_that_its_format_has_changed_is_not_told(
    trying: Api, receiver: Receiver
) -> None:
    """`wait` of a Discord URL is set wherever it stands."""
    told = await tried(
        trying,
        receiver,
        callback_url=f"{receiver.url}?wait=false",
        format="discord",
        auth={"type": "query", "name": "key", "value": "t0p"},
    )
    assert receiver.got[0][0].query == {"wait": "true", "key": "t0p"}
    assert told["sent_query"] is None
    assert "t0p" not in str(told)


async def test_a_test_keeps_a_robots_limit(
    trying: Api, receiver: Receiver, store: Store
) -> None:
    """A service counts what it is told, by whomever; too much silences all of them."""
    await trying.subscribe(callback_url=receiver.url, format="slack")
    receiver.answer = "ok"
    first = await tried(trying, receiver, format="slack")
    assert first["attempt"]["outcome"] == "accepted"
    wanted = {"callback_url": receiver.url, "format": "slack"}
    second = await trying("POST", "/callbacks/test", json=wanted)
    assert (second.status, second.code) == (429, "rate_limited")
    trying.clock.advance(2.0)
    receiver.status = 429
    await tried(trying, receiver, format="slack")
    to = Destination(url=receiver.url, host="127.0.0.1", robot=Robot(kind="slack"))
    now = trying.clock.now()
    assert await store.speak(to, now=now) >= now + 1.0


async def test_a_password_in_the_query_is_not_told(trying: Api, receiver: Receiver) -> None:
    """Nor when the facts stand in the query beside it."""
    auth = {"type": "query", "name": "key", "value": "t0p"}
    told = await tried(trying, receiver, auth=auth, method="GET", type="task.failed")
    request = receiver.got[0][0]
    assert (request.method, request.query["key"]) == ("GET", "t0p")
    assert parse_qs(told["sent_query"])["type"] == ["task.failed"]
    assert (told["sent_body"], told["attempt"]["method"]) == (None, "GET")
    assert told["attempt"]["callback_url"].endswith("?key=***")
    assert "t0p" not in str(told)


@pytest.mark.parametrize("type_", TYPES)
async def test_each_type_can_be_rehearsed(
    trying: Api, receiver: Receiver, type_: str
) -> None:
    """Failures are what flows are wrong about, and what nobody wants to pay for."""
    told = await tried(trying, receiver, type=type_, format="flat")
    assert f'"type":"{type_}"' in told["sent_body"].replace(" ", "")


async def test_a_robot_that_says_no_is_heard(trying: Api, receiver: Receiver) -> None:
    """It says so with status 200."""
    receiver.answer = '{"code": 19021, "msg": "sign match fail"}'
    told = await tried(trying, receiver, format="feishu", robot={"secret": "s"})
    assert told["attempt"]["outcome"] != "accepted"
    assert told["hint"]


async def test_a_refusal_comes_with_its_hint(trying: Api, receiver: Receiver) -> None:
    """That is what a test is for."""
    receiver.status, receiver.answer = 404, "no"
    told = await tried(trying, receiver)
    assert told["attempt"]["outcome"] == "refused"
    assert "set its HTTP Method to POST" in told["hint"]


async def test_a_receiver_that_is_not_there_is_told(trying: Api) -> None:
    """No answer is an answer as well."""
    nobody = Receiver(url="http://127.0.0.1:9/")
    told = await tried(trying, nobody)
    assert (told["attempt"]["outcome"], told["response"]) == ("connect_error", None)
    assert "Nothing accepts connections there" in told["hint"]


async def test_a_successful_test_ends_gone(
    trying: Api, receiver: Receiver, store: Store, clock: NotedClock
) -> None:
    """Whoever has mended the receiver has told us so; others' tests, and refused ones,
    have not.
    """
    await trying.subscribe(callback_url=receiver.url)
    clock.advance(5)
    await poll(store, clock, SUCCEEDED)
    running = await trying.subscribe(callback_url=receiver.url, task_id="task2")
    await attempt(store, clock, GONE)

    async def state() -> str:
        shown = await trying("GET", f"/subscriptions/{running.json['id']}")
        return str(shown.json["delivery"]["state"])

    assert await state() == "gone"
    receiver.status = 500
    await tried(trying, receiver)
    receiver.status = 200
    await tried(trying, receiver, headers={"X-Other": "1"})
    others = {"callback_url": receiver.url}
    answer = await trying("POST", "/callbacks/test", json=others, key=OTHER)
    assert answer.json["attempt"]["outcome"] == "accepted"
    assert await state() == "gone"
    await tried(trying, receiver)
    assert await state() == "waiting"


async def test_one_at_a_time(trying: Api, receiver: Receiver) -> None:
    """A client that tests in a loop takes no more of the way out than one attempt."""
    receiver.held = asyncio.Event()
    first = asyncio.create_task(tried(trying, receiver))
    await receiver.came.wait()
    second = await trying("POST", "/callbacks/test", json={"callback_url": receiver.url})
    assert (second.status, second.code) == (429, "rate_limited")
    assert "retry-after" in second.headers
    receiver.held.set()
    await first
    await tried(trying, receiver)
    assert len(receiver.got) == 2


async def owed(api: Api, receiver: Receiver, store: Store) -> None:
    """One delivery to this receiver is due."""
    await api.subscribe(callback_url=receiver.url, task_id="owed")
    api.clock.advance(5)
    await poll(store, api.clock, SUCCEEDED)
    api.clock.advance(5)


async def test_a_test_takes_a_slot_of_its_host(
    trying: Api, receiver: Receiver, store: Store, dispatcher: Dispatcher
) -> None:
    """As any attempt does: nobody has more connections to a host than the caps allow."""
    await owed(trying, receiver, store)
    receiver.held = asyncio.Event()
    testing = asyncio.create_task(tried(trying, receiver))
    await receiver.came.wait()
    assert await dispatcher.worker.drain() == 0
    dispatcher.worker.wake.clear()
    receiver.held.set()
    await testing
    assert dispatcher.worker.wake.is_set()
    assert await dispatcher.worker.drain() == 1


async def test_a_test_waits_for_a_slot_a_little(
    trying: Api, receiver: Receiver, store: Store, dispatcher: Dispatcher
) -> None:
    """Where others' attempts hang at the same host for longer, it says so."""
    await owed(trying, receiver, store)
    receiver.held = asyncio.Event()
    delivering = asyncio.create_task(dispatcher.worker.drain())
    await receiver.came.wait()
    wanted = {"callback_url": receiver.url}
    testing = asyncio.create_task(trying("POST", "/callbacks/test", json=wanted, key=OTHER))
    await trying.asleep(testing)
    trying.clock.advance(SLOT_WAIT_S)
    answer = await testing
    assert (answer.status, answer.code) == (429, "rate_limited")
    assert float(answer.headers["retry-after"]) >= 1.0
    assert "127.0.0.1" in answer.json["detail"]
    trying.clock.asked.clear()
    testing = asyncio.create_task(trying("POST", "/callbacks/test", json=wanted, key=OTHER))
    await trying.asleep(testing)
    receiver.held.set()
    assert (await testing).status == 200
    await delivering
    assert len(receiver.got) == 2


async def test_an_internal_address_is_refused(trying: Api) -> None:
    """A test that tells the answer would be a window into the network."""
    trying.names.trouble["inside.test"] = AddressForbidden("10.0.0.1")
    answer = await trying(
        "POST", "/callbacks/test", json={"callback_url": "http://inside.test/"}
    )
    assert (answer.status, answer.code) == (422, "callback_address_forbidden")


async def test_a_form_will_do(trying: Api, receiver: Receiver) -> None:
    """No-code tools test as they subscribe."""
    fields = {"callback_url": receiver.url, "auth.type": "bearer", "auth[token]": "t0p"}
    answer = await trying("POST", "/callbacks/test", data=urlencode(fields), headers=FORM)
    assert answer.status == 200
    assert receiver.got[0][0].headers["Authorization"] == "Bearer t0p"


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({}, "callback_url", "is required"),
        ({"callback_url": "x"}, "callback_url", "must be a whole URL"),
        ({"callback_url": 5}, "callback_url", "must be text"),
        ({"type": "task.ended"}, "type", "must be one of task.succeeded"),
        ({"type": ["x"]}, "type", "must be one of task.succeeded"),
        ({"format": "xml"}, "format", "must be 'standard'"),
        ({"events": ["task.failed"]}, "events", "there is no such field"),
        ({"method": "GET", "format": "form"}, "method", "is a body"),
    ],
)
async def test_faults_are_named(
    trying: Api, fields: dict[str, Any], field: str, message: str
) -> None:
    """In the words of a subscription."""
    answer = await trying("POST", "/callbacks/test", json=fields)
    assert (answer.status, answer.code) == (422, "invalid_request")
    assert message in answer.faults[field]


async def test_a_node_that_sends_nothing_says_so(api: Api) -> None:
    """Rather than to look broken."""
    answer = await api("POST", "/callbacks/test", json={"callback_url": "http://a.test/"})
    assert (answer.status, answer.code) == (503, "not_ready")


async def hooked(api: Api, receiver: Receiver, **fields: Any) -> str:
    """The id of a standing hook to this receiver."""
    made = await api("POST", "/hooks", json={"url": receiver.url} | fields)
    assert made.status == 201, made.body
    return str(made.json["id"])


async def test_a_hook_is_tested_as_it_is_called(trying: Api, receiver: Receiver) -> None:
    """With its own secret, headers, credentials and format, none of which is told."""
    hook_id = await hooked(
        trying,
        receiver,
        signing_secret=OTHER_SECRET,
        headers={"X-Key": "t0p-header"},
        auth={"type": "bearer", "token": "t0p-token"},
        format="flat",
    )
    answer = await trying("POST", f"/hooks/{hook_id}/test")
    assert answer.status == 200, answer.body
    [(request, sent)] = receiver.got
    facts = verify(sent, request.headers, OTHER_SECRET, now=trying.clock.wall())
    assert (facts["type"], facts["test"]) == ("task.succeeded", True)
    assert request.headers["X-Key"] == "t0p-header"
    assert request.headers["Authorization"] == "Bearer t0p-token"
    told = answer.json
    assert told["sent_body"] == sent.decode()
    assert told["attempt"]["id"] == request.headers["webhook-id"]
    assert told["attempt"]["id"].endswith(f"_0_{hook_id[5:]}")
    assert (told["attempt"]["outcome"], told["hint"]) == ("accepted", None)
    assert told["sent_headers"]["X-Key"] == told["sent_headers"]["Authorization"] == "***"
    assert "t0p" not in str(told)
    assert (await trying("GET", "/deliveries")).json["items"] == []


async def test_a_hook_is_tested_with_an_event_that_it_is_told_of(
    trying: Api, receiver: Receiver
) -> None:
    """Or with another, by its type."""
    hook_id = await hooked(trying, receiver, events=["task.failed", "task.expired"])
    for asked, type_ in (
        ({}, "task.expired"),
        ({"type": ""}, "task.expired"),
        ({"type": "task.succeeded"}, "task.succeeded"),
    ):
        answer = await trying("POST", f"/hooks/{hook_id}/test", json=asked)
        assert answer.json["attempt"]["type"] == type_


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"type": "task.ended"}, "type", "must be one of task.succeeded"),
        ({"callback_url": "https://a.test"}, "callback_url", "there is no such field"),
    ],
)
async def test_faults_of_a_hooks_test_are_named(
    trying: Api, receiver: Receiver, fields: dict[str, Any], field: str, message: str
) -> None:
    hook_id = await hooked(trying, receiver)
    answer = await trying("POST", f"/hooks/{hook_id}/test", json=fields)
    assert (answer.status, answer.code) == (422, "invalid_request")
    assert message in answer.faults[field]
    assert receiver.got == []


async def test_nobody_tests_the_hook_of_another(trying: Api, receiver: Receiver) -> None:
    """Nor one that was removed; operators may, and it goes out as its owner's."""
    hook_id = await hooked(trying, receiver)
    for path, key in ((hook_id, OTHER), ("hook_x", SHOP), ("nonsense", SHOP)):
        answer = await trying("POST", f"/hooks/{path}/test", key=key)
        assert (answer.status, answer.code) == (404, "hook_not_found")
    assert (await trying("POST", f"/hooks/{hook_id}/test", key=OPS)).status == 200
    assert (await trying("DELETE", f"/hooks/{hook_id}")).status == 204
    answer = await trying("POST", f"/hooks/{hook_id}/test")
    assert (answer.status, answer.code) == (404, "hook_not_found")
    assert len(receiver.got) == 1


async def test_a_hook_that_leads_inside_by_now_is_not_tested(
    trying: Api, receiver: Receiver
) -> None:
    """Its name may have been another one's when it was made."""
    hook_id = await hooked(trying, receiver)
    trying.names.trouble["127.0.0.1"] = AddressForbidden("127.0.0.1")
    answer = await trying("POST", f"/hooks/{hook_id}/test")
    assert (answer.status, answer.code) == (422, "callback_address_forbidden")
    assert "url" in answer.faults


async def test_a_hook_that_cannot_be_read_is_not_sent_to(
    trying: Api, receiver: Receiver, store: Store
) -> None:
    """Least of all signed with another secret."""
    hook_id = await hooked(trying, receiver)

    def damage() -> Step[None]:
        yield ask("reseal_hook", id=1, sequence=0, sealed=b"nonsense")

    await store.database.write(damage)
    told = (await trying("POST", f"/hooks/{hook_id}/test")).json
    assert told["attempt"]["outcome"] == "refused"
    assert "an encryption key that is no longer configured" in told["attempt"]["detail"]
    assert receiver.got == []
