"""Short ways through the public methods of a store, for the suite that all stores pass.

A scene plays poller and dispatcher by the pure rules, one step at a time, so that a test
can let anything happen between two steps.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bridge import transition
from bridge.cadence import PollPolicy, fixed
from bridge.errors import RequestError
from bridge.lanes import Lane, Window
from bridge.model import (
    AttemptOutcome,
    ClaimedDelivery,
    ClaimedPoll,
    Delivery,
    Destination,
    ErrorCode,
    File,
    Observation,
    PollOutcome,
    Reply,
    Result,
    Status,
    Subscription,
    TaskError,
    Wish,
)
from bridge.receivers import retry
from bridge.receivers.retry import Schedule, Verdict
from bridge.store import DeliveryFilter, Doubt, Pick, Store, Subscribed, SubscriptionFilter
from tests.conftest import FakeClock

GAP_S = 5.0
LEASE_S = 35.0
MEMORY_S = 3_600.0
EVER_S = 1e9
MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0


class Every:
    """Asks at an interval."""

    def __init__(self, interval_s: float) -> None:
        self.interval_s = interval_s

    def gap_s(self, *_about: object) -> float:
        return self.interval_s

    def waited(
        self, _provider: str, _model: str | None, since_s: float, until_s: float
    ) -> float:
        return (until_s - since_s) / self.interval_s


def destination(path: str = "hook", host: str = "app.test", **headers: str) -> Destination:
    return Destination(url=f"https://{host}/{path}", host=host, headers=headers)


def wish(task_id: str = "task-1", **changes: Any) -> Wish:
    """Equal arguments make an identical request."""
    given: dict[str, Any] = {
        "client": "shop",
        "provider": "amux",
        "task_id": task_id,
        "destination": destination(),
        "deadline_s": DAY,
        "first_poll_s": 1.0,
    } | changes
    # As a plain dictionary: the repr of a destination leaves out its URL.
    plain = asdict(Wish(**{"canonical": b""} | given))
    return Wish(**{"canonical": repr(plain).encode()} | given)


def pending(
    status: Status | None = Status.RUNNING, progress: int | None = None, **more: Any
) -> Observation:
    return Observation(
        outcome=PollOutcome.PENDING,
        status=status,
        progress=progress,
        http_status=200,
        **more,
    )


def succeeded(**more: Any) -> Observation:
    given: dict[str, Any] = {
        "outcome": PollOutcome.ENDED,
        "status": Status.SUCCEEDED,
        "http_status": 200,
        "result": Result(
            files=(File(kind="video", provider_url="https://cdn.test/a.mp4"),),
            details={"fps": 24},
        ),
    }
    return Observation(**given | more)


def failed(**more: Any) -> Observation:
    given: dict[str, Any] = {
        "outcome": PollOutcome.ENDED,
        "status": Status.FAILED,
        "http_status": 200,
        "error": TaskError(code=ErrorCode.TASK_FAILED, message="the model gave up"),
    }
    return Observation(**given | more)


def saw(outcome: PollOutcome, **more: Any) -> Observation:
    return Observation(outcome=outcome, **more)


NOT_FOUND = saw(PollOutcome.NOT_FOUND, http_status=404)
REFUSED = saw(PollOutcome.AUTH, http_status=401)
THROTTLED = saw(PollOutcome.THROTTLED, http_status=429)
TRANSIENT = saw(PollOutcome.TRANSIENT, http_status=503)

ACCEPTED = Reply(outcome=AttemptOutcome.ACCEPTED, http_status=200, body=b"thanks")
BROKEN = Reply(outcome=AttemptOutcome.REFUSED, http_status=500, body=b"oh no")
GONE = Reply(outcome=AttemptOutcome.GONE, http_status=410)
TOO_MANY = Reply(outcome=AttemptOutcome.THROTTLED, http_status=429)
TIMEOUT = Reply(outcome=AttemptOutcome.TIMEOUT)
FINISHED = Reply(
    outcome=AttemptOutcome.CONFLICT,
    http_status=409,
    body=b'{"message":"The execution \\"1\\" has finished already."}',
)


def key_of(thing: Subscribed | Subscription) -> str:
    subscription = thing.subscription if isinstance(thing, Subscribed) else thing
    return subscription.id.removeprefix("sub_")


Choose = Callable[[Sequence[Lane]], list[Pick]]


def each(lanes: Sequence[Lane], limit: int = 100, held: int = 0) -> list[Pick]:
    """`limit` rows of each lane that is ready."""
    return [Pick(lane, limit, held) for lane in lanes]


def everything(lanes: Sequence[Lane]) -> list[Pick]:
    return each(lanes, 10_000)


@dataclass
class Scene:
    store: Store
    clock: FakeClock
    policy: PollPolicy = field(default_factory=PollPolicy)
    schedule: Schedule = field(default_factory=Schedule)

    @property
    def now(self) -> float:
        return self.clock.now()

    def later(self, seconds: float) -> None:
        self.clock.advance(seconds)

    async def subscribe(self, task_id: str = "task-1", **changes: Any) -> Subscribed:
        return await self.store.subscribe(wish(task_id, **changes), now=self.now)

    async def add(self, task_id: str = "task-1", **changes: Any) -> str:
        """A new subscription's key."""
        subscribed = await self.subscribe(task_id, **changes)
        assert subscribed.created
        return key_of(subscribed)

    async def stop(self, key: str, client: str | None = "shop") -> bool:
        return await self.store.stop(key, client, now=self.now)

    async def stop_active(self, key: str, client: str | None = "shop") -> bool | None:
        return await self.store.stop_active(key, client, now=self.now)

    async def show(self, key: str) -> Subscription:
        found = await self.store.subscription(key, None)
        assert found is not None
        return found

    async def delivery(self, key: str, sequence: int = 0) -> Delivery:
        found = await self.store.delivery(key, sequence, None)
        assert found is not None
        return found

    async def list_subscriptions(self, **filters: Any) -> list[Subscription]:
        wanted = SubscriptionFilter(**{"client": None} | filters)
        return list((await self.store.subscriptions(wanted, limit=100)).items)

    async def list_deliveries(self, **filters: Any) -> list[Delivery]:
        wanted = DeliveryFilter(**{"client": None} | filters)
        return list((await self.store.deliveries(wanted, limit=100)).items)

    async def claim_polls(
        self,
        *,
        choose: Choose = each,
        gap_s: float = GAP_S,
        in_flight: Collection[int] = (),
    ) -> Sequence[ClaimedPoll]:
        """All that are due, unless `choose` says otherwise."""
        ready = await self.store.poll_lanes(now=self.now, window=Window())
        claims = await self.store.claim_polls(
            choose(ready.lanes),
            now=self.now,
            pace=Every(gap_s),
            in_flight=in_flight,
        )
        return claims.items

    async def claim_poll(self) -> ClaimedPoll:
        """The only one that is due."""
        [claimed] = await self.claim_polls()
        return claimed

    async def answer(
        self, claimed: ClaimedPoll, seen: Observation, *, dice: float = 0.0
    ) -> list[str]:
        """Record what the poller would; keys of the subscriptions it ended."""
        if seen.outcome is PollOutcome.ENDED:
            return await self.end(claimed.watch_id, seen)
        move = transition.after(claimed, seen, fixed(self.policy), now=self.now, dice=dice)
        if move.silent:
            return []
        return await self.store.record_poll(claimed, seen, move, now=self.now)

    async def end(self, watch_id: int, seen: Observation | None = None) -> list[str]:
        return await self.store.record_end(
            watch_id,
            seen or succeeded(),
            now=self.now,
            memory_until=self.now + MEMORY_S,
        )

    async def poll(
        self, seen: Observation, *, after_s: float = 2.0, gap_s: float = GAP_S
    ) -> list[str]:
        """Wait, ask all that is due, and hear the same of each."""
        self.later(after_s)
        claims = await self.claim_polls(gap_s=gap_s)
        assert claims, "nothing was due"
        return [key for claimed in claims for key in await self.answer(claimed, seen)]

    async def ended(self, task_id: str = "task-1", **changes: Any) -> str:
        """A subscription whose task has succeeded, its delivery due."""
        key = await self.add(task_id, **changes)
        self.later(2.0)
        [claimed] = [c for c in await self.claim_polls() if c.task_id == task_id]
        assert key in await self.answer(claimed, succeeded())
        return key

    async def claim_deliveries(
        self,
        *,
        choose: Choose = each,
        lease_s: float = LEASE_S,
        in_flight: Collection[int] = (),
    ) -> Sequence[ClaimedDelivery]:
        """All that are due, unless `choose` says otherwise."""
        ready = await self.store.delivery_lanes(now=self.now, window=Window())
        claims = await self.store.claim_deliveries(
            choose(ready.lanes),
            now=self.now,
            lease_s=lease_s,
            in_flight=in_flight,
        )
        return claims.items

    async def claim_delivery(self) -> ClaimedDelivery:
        """The only one that is due."""
        [claimed] = await self.claim_deliveries()
        return claimed

    async def hear(self, claimed: ClaimedDelivery, reply: Reply) -> Verdict:
        """Record what the dispatcher would."""
        verdict = retry.decide(
            claimed, reply, schedule=self.schedule, now=self.now, dice=0.0
        )
        await self.store.record_attempt(claimed, reply, verdict, now=self.now)
        return verdict

    async def deliver(self, reply: Reply, *, after_s: float = 0.0) -> ClaimedDelivery:
        """Wait, make the one attempt that is due, and hear this."""
        self.later(after_s)
        claimed = await self.claim_delivery()
        await self.hear(claimed, reply)
        return claimed

    async def deliver_all(self) -> None:
        """Everything owed is accepted, now and later."""
        self.later(HOUR)
        for claimed in await self.claim_deliveries():
            await self.hear(claimed, ACCEPTED)

    async def retry(self, key: str, sequence: int = 0, client: str | None = "shop") -> bool:
        """Ask for an attempt by hand."""
        return await self.store.ask_for_attempt(key, sequence, client, now=self.now)

    async def refusal_of_retry(self, key: str, sequence: int = 0) -> str:
        try:
            await self.retry(key, sequence)
        except RequestError as error:
            return error.code
        raise AssertionError("the retry was not refused")

    async def lanes(self) -> list[Lane]:
        """Every lane of deliveries with something scheduled, and when it will be ready."""
        window, ever = Window(), self.now + EVER_S
        return list((await self.store.delivery_lanes(now=ever, window=window)).lanes)

    async def poll_lanes(self) -> list[Lane]:
        """Every credential with something scheduled, and when it will be ready."""
        window, ever = Window(), self.now + EVER_S
        return list((await self.store.poll_lanes(now=ever, window=window)).lanes)

    async def credential(self, provider: str = "amux") -> Mapping[str, Any]:
        """The state of the provider's only credential."""
        [row] = [c for c in await self.store.credentials() if c["provider"] == provider]
        return row

    async def check_deadlines(self) -> list[str]:
        found = await self.store.check_deadlines(
            lambda _: self.policy, Doubt.none(self.now)
        )
        return found.ended
