"""The API under requests that schemathesis makes of its document: whatever they are, no
answer is a fault of ours, and each is as the document says.

`BRIDGE_TEST_GENERATED=2000 pytest tests/api/test_generated.py --timeout 900` sends so many
at least (minutes); another number is another choice of requests.
"""

import asyncio
import math
import os
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from pydantic import SecretStr
from schemathesis import APIOperation, Case, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks

from bridge.api.app import create_app
from bridge.config import Config, Role
from tests.api.conftest import served
from tests.conftest import FakeClock
from tests.net.proxies import Proxied, proxy
from tests.promises.wired import API_KEYS, Wired, wired
from tests.world import settled

MANY = int(os.environ.get("BRIDGE_TEST_GENERATED", "200"))
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
]
# Of a stream's schema it is thought that each event must be as the whole.
WHOLE = [*CHECKS, checks.response_schema_conformance]
LIMITS = {"active": 100_000, "requests": "100000/s"}
OPERATORS_KEY = "api-key-of-the-operator"
Operation = APIOperation[Any, Any, Any, Any]
KEYS = (API_KEYS["shop"], API_KEYS["shop"], API_KEYS["shop"], OPERATORS_KEY, None)
TASKS = ("no-url-0s", "succeed-0s", "fail-0s", "succeed-10s", "vanish")
RECEIVERS = ("/ok", "/flaky/1", "/gone", "/throttle/1", "/dead", "/redirect")
KINDS = {"sub": "subscriptions", "msg": "deliveries", "hook": "hooks"}
# Any text is a token, or the name of a schema that is not there.
TAKES_ANYTHING = ("POST /hints/{token}", "GET /schemas/{format}/{file}")
DOUBTFUL = {
    *(
        "params",
        "robot",
        "auth",
        "headers",
        "signing_secret",
        "model",
        "deadline",
        "method",
    ),
    *("format", "provider_api_key"),
}
ANSWER_S = 30.0  # no answer takes longer, in real seconds; also none that waits
STEP_S = 0.5  # of the bridge's time, by which it moves on while somebody waits
EVENTS = 1  # read of a stream, which has no end


@dataclass
class Caller:
    """Sends what was generated. What is made to fit has a chance to be accepted."""

    url: str
    receiver: str
    calling: Callable[[bool], AbstractContextManager[None]]
    session: requests.Session
    known: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    came: Counter[tuple[str, int]] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def send(self, case: Case[Any], dice: int) -> None:
        dice, which = divmod(dice, len(KEYS))
        key = KEYS[which]
        if dice % 3:
            self.fit(case, dice // 3)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        with self.calling(streams(case)):
            answer = case.call(self.url, self.session, headers, timeout=ANSWER_S)
        self.came[case.operation.label, answer.status_code] += 1
        try:
            case.validate_response(answer, CHECKS if streams(case) else WHOLE)
        except FailureGroup as error:
            self.faults.append(str(error))
        self.remember(answer)

    def fit(self, case: Case[Any], dice: int) -> None:
        """Name what is there: a task, a receiver, and ids of earlier answers."""
        if isinstance(case.body, dict):
            url = self.receiver + RECEIVERS[dice % len(RECEIVERS)]
            task_id = TASKS[dice % len(TASKS)]
            there = {
                "provider": "amux",
                "task_id": task_id,
                "callback_url": url,
                "url": url,
            }
            case.body |= {name: there[name] for name in there if name in case.body}
            if dice % 2:  # few of these go together
                case.body = {k: v for k, v in case.body.items() if k not in DOUBTFUL}
        for kind in ("subscriptions", "deliveries", "hooks"):
            known = self.known[kind]
            if known and case.operation.path.startswith(f"/{kind}/{{id}}"):
                case.path_parameters["id"] = known[dice % len(known)]

    def remember(self, answer: Response) -> None:
        """Ids of what was made, and those of lists."""
        if answer.status_code in (200, 201, 202) and "json" in str(answer.headers):
            told = answer.json()
            for one in told.get("items", [told]) if isinstance(told, dict) else []:
                self.learn(one)

    def learn(self, one: Any) -> None:
        id_ = one.get("id") if isinstance(one, dict) else None
        kind = KINDS.get(str(id_).partition("_")[0])
        if kind:
            self.known[kind].append(str(id_))
            if kind == "subscriptions":
                self.known["deliveries"].append(f"msg_{str(id_)[4:]}_0")


def streams(case: Case[Any]) -> bool:
    return bool(case.operation.label == "GET /events")


def with_operator(config: Config) -> Config:
    shop = config.clients["shop"]
    keys = (SecretStr(OPERATORS_KEY),)
    ops = shop.model_copy(update={"api_keys": keys, "role": Role.OPERATOR})
    return config.model_copy(update={"clients": {**config.clients, "ops": ops}})


@dataclass(frozen=True)
class Place:
    node: Wired
    way: Proxied  # of all that goes out, but to the receiver
    url: str


@asynccontextmanager
async def place(folder: Path, clock: FakeClock) -> AsyncIterator[Place]:
    """A whole node that can reach nothing but loopback, whatever it is told to call."""
    async with proxy({}) as way:
        callbacks = {
            "allow_hosts": ["127.0.0.1"],
            "proxy": f"http://127.0.0.1:{way.port}",
        }
        async with wired(folder, clock, callbacks=callbacks, limits=LIMITS) as node:
            config = with_operator(node.bridge.deps.config())
            app = create_app(replace(node.bridge.deps, config=lambda: config))
            node.bridge.health.set_ready("start")
            async with node.running(), listened(node), served(app) as url:
                yield Place(node, way, url)


@asynccontextmanager
async def listened(node: Wired) -> AsyncIterator[None]:
    stop, live = asyncio.Event(), node.bridge.deps.live
    async with asyncio.TaskGroup() as group:
        group.create_task(live.run(stop))
        yield
        stop.set()
        live.stop()


class Moving:
    """Time of the bridge goes by while a caller, in another thread, waits for an answer;
    tasks end then, if he listens.
    """

    def __init__(self, node: Wired, clock: FakeClock) -> None:
        self._node, self._clock = node, clock
        self._loop, self._wanted = asyncio.get_running_loop(), asyncio.Event()
        self._listens, self._ends = False, 0

    @contextmanager
    def __call__(self, listens: bool) -> Iterator[None]:
        self._listens = listens
        self._loop.call_soon_threadsafe(self._wanted.set)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._wanted.clear)

    async def run(self) -> None:
        url = f"{self._node.receiver.url}/ok"
        while True:
            await self._wanted.wait()
            if self._listens:
                self._ends += 1
                await self._node.subscribe(f"no-url-0s-{self._ends}", url)
            self._clock.advance(STEP_S)
            await settled(self._node.bridge.store)


def sent(url: str, count: int, send: Callable[[Case[Any], int], None]) -> int:
    """How many were, `count` at least. An operation that takes more is asked more often."""
    config = SchemathesisConfig.from_dict({"max-stream-events": EVENTS})
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json", config=config)
    kinds = [
        (each.ok(), mode)
        for each in schema.get_all_operations()
        if isinstance(each, Ok)
        for mode in GenerationMode
    ]
    shares = [share(*kind) for kind in kinds]
    done, turn = 0, 0
    while done < count:
        part = (count - done) / sum(shares)
        for kind, weight in zip(kinds, shares, strict=True):
            if weight:
                done += several(*kind, math.ceil(part * weight), count + turn, send)
        turn += 1
    return done


def share(operation: Operation, mode: GenerationMode) -> int:
    """Of all requests. Nothing is wrong for one that takes nothing, or any text."""
    if mode is GenerationMode.NEGATIVE and operation.label in TAKES_ANYTHING:
        return 0
    return 6 if operation.body else 3 if operation.query else 1


def several(
    operation: Operation,
    mode: GenerationMode,
    most: int,
    number: int,
    send: Callable[[Case[Any], int], None],
) -> int:
    """How many there were: fewer than `most` of what there are not so many of."""
    done = 0

    @seed(number)
    @settings(
        max_examples=most,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), dice=st.integers(0, 2**20))
    def each(case: Case[Any], dice: int) -> None:
        nonlocal done
        done += 1
        send(case, dice)

    with suppress(Unsatisfiable):
        each()
    return done


async def test_no_request_brings_forth_a_fault_or_what_nobody_was_told_of(
    tmp_path: Path, clock: FakeClock, record_property: Callable[[str, object], None]
) -> None:
    """Who writes a client by the document alone has seen every answer there is."""
    async with place(tmp_path, clock) as here:
        moving = Moving(here.node, clock)
        with requests.Session() as session:
            caller = Caller(here.url, here.node.receiver.url, moving, session)
            ticking = asyncio.create_task(moving.run())
            try:
                count = await asyncio.to_thread(sent, here.url, MANY, caller.send)
            finally:
                ticking.cancel()
    statuses = Counter[int]()
    for (_, status), times in caller.came.items():
        statuses[status] += times
    record_property("figures", f"{count} requests: {dict(sorted(statuses.items()))}")
    assert not caller.faults, f"{len(caller.faults)}: {caller.faults[0]}"
    assert caller.came.total() == count >= MANY
    assert caller.came["POST /subscribe", 202] or caller.came["POST /subscriptions", 202]
    assert statuses[200] > MANY / 10
    assert here.node.receiver.requests
