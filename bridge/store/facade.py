"""The store as the rest of the program has it: one method for each step of the path."""

import secrets
import string
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from bridge.breaker import Breaker
from bridge.cadence import History, PollPolicy
from bridge.errors import RequestError
from bridge.lanes import Ready, Window
from bridge.model import (
    ClaimedDelivery,
    ClaimedPoll,
    Delivery,
    Destination,
    Hook,
    HookWish,
    IdempotencyKey,
    Observation,
    Reply,
    Subscription,
    Wish,
)
from bridge.notices import Notice, Seen
from bridge.retry import Verdict
from bridge.store import (
    asking,
    breaking,
    delivery_claims,
    durations,
    figures,
    hooks,
    live,
    meta,
    noticing,
    poll_claims,
    polling,
    reading,
    rekeying,
    replaying,
    resuming,
    riders,
    robots,
    starting,
    subscribing,
    sweeping,
    timeline,
    upkeep,
)
from bridge.store.asking import AskedFor, Once
from bridge.store.bounded import Bounded
from bridge.store.box import Box
from bridge.store.claims import Claims, Pick
from bridge.store.delivering import Rest
from bridge.store.durations import Kind
from bridge.store.figures import Overview
from bridge.store.hooks import Added, HookCall
from bridge.store.live import Mark, News
from bridge.store.reading import DeliveryFilter, Page, SubscriptionFilter
from bridge.store.rekeying import Cursor
from bridge.store.replaying import After, Replays
from bridge.store.resuming import Kept, Progress
from bridge.store.riders import Ride
from bridge.store.spacing import Pace
from bridge.store.steps import Database
from bridge.store.subscribing import Subscribed
from bridge.store.telling import Told
from bridge.store.timed import Timed
from bridge.store.timeline import Timeline
from bridge.store.upkeep import Deadlines, Doubt
from bridge.transition import Move

ALPHABET = string.digits + string.ascii_letters
KEY_LENGTH = 22  # characters of base62: 131 bits


def minted_key() -> str:
    """The random part of a subscription's id, from which all its other ids derive.

    Drawn as one number: a draw for each character would take a third of a subscribe.
    """
    drawn, key = secrets.randbelow(len(ALPHABET) ** KEY_LENGTH), ""
    for _ in range(KEY_LENGTH):
        drawn, digit = divmod(drawn, len(ALPHABET))
        key += ALPHABET[digit]
    return key


class Store:
    """Every method is one transaction; each write is on disk when it returns.

    Times are unix seconds. `client` None stands for the operator, who sees all clients.
    Keys of subscriptions are their ids without the prefix.
    Raises StoreUnavailable, with nothing written, if the database does not answer.
    """

    def __init__(
        self, database: Database, box: Box, mint: Callable[[], str] = minted_key
    ) -> None:
        self.database, self._box, self._mint = database, box, mint

    def bounded(self, most: int) -> "Store":
        """The same, for callers who may ask for so many steps at a time."""
        return Store(Bounded(self.database, most), self._box, self._mint)

    def timed(self, note: Callable[[str, float], None]) -> "Store":
        """The same; `note` is told how many seconds each step took, by its kind."""
        return Store(Timed(self.database, note), self._box, self._mint)

    async def subscribe(
        self,
        wish: Wish,
        *,
        now: float,
        idempotency: IdempotencyKey | None = None,
        full: RequestError | None = None,
        most: int | None = None,
    ) -> Subscribed:
        """Raises RequestError if the Idempotency-Key was used with another body.

        `full` is raised if this is not a repeat: the client may have no more. With `most`
        it is counted first whether that many are active.
        """
        return await self.database.write(
            subscribing.subscribe,
            self._box,
            wish,
            idempotency,
            now=now,
            mint=self._mint,
            full=full,
            most=most,
        )

    async def stop(self, key: str, client: str | None, *, now: float) -> bool:
        """Stop a subscription and drop what it owes; False if there is none."""
        return await self.database.write(subscribing.stop, key, client, now=now)

    async def abandon(
        self, clients: Collection[str], providers: Collection[str], *, now: float
    ) -> int:
        """Stop all that these clients and providers have in flight; how many it was."""
        stopped = 0
        while count := await self.database.write(
            subscribing.abandon, clients, providers, now=now
        ):
            stopped += count
        return stopped

    async def subscription(self, key: str, client: str | None) -> Subscription | None:
        return await self.database.read(reading.read_subscription, self._box, key, client)

    async def subscriptions(
        self, wanted: SubscriptionFilter, *, limit: int, before: int = reading.NEWEST
    ) -> Page:
        return await self.database.scan(
            reading.list_subscriptions, self._box, wanted, limit=limit, before=before
        )

    async def timeline(self, key: str, client: str | None) -> Timeline | None:
        """A subscription with all that became of it, attempts included."""
        return await self.database.scan(timeline.read_timeline, self._box, key, client)

    async def overview(self, client: str | None, *, now: float) -> Overview:
        """How much there is and how it goes, of the last hour."""
        return await self.database.scan(figures.overview, self._box, client, now=now)

    async def poll_lanes(self, *, now: float, window: Window) -> Ready:
        return await self.database.read(poll_claims.poll_lanes, now=now, window=window)

    async def claim_polls(
        self,
        picks: Sequence[Pick],
        *,
        now: float,
        pace: Pace,
        in_flight: Collection[int] = (),
    ) -> Claims[ClaimedPoll]:
        return await self.database.write(
            poll_claims.claim_polls,
            self._box,
            picks,
            now=now,
            pace=pace,
            in_flight=in_flight,
        )

    async def claim_riders(
        self, ride: Ride, *, now: float, pace: Pace, in_flight: Collection[int]
    ) -> list[ClaimedPoll]:
        """Watches that one request for several can carry as well."""
        return await self.database.write(
            riders.claim_riders, self._box, ride, now=now, pace=pace, in_flight=in_flight
        )

    async def ask_alone(
        self, polls: Sequence[ClaimedPoll], *, now: float, for_good: bool
    ) -> None:
        """Have these asked about one by one, from now on or only this once."""
        await self.database.write(riders.ask_alone, polls, now=now, for_good=for_good)

    async def keep_polls(self, polls: Collection[tuple[int, int]], *, until: float) -> None:
        """Have no other node ask what is still awaited here."""
        await self.database.write(poll_claims.keep_polls, polls, until=until)

    async def record_poll(
        self, claimed: ClaimedPoll, seen: Observation, move: Move, *, now: float
    ) -> list[str]:
        """Write an answer that is no end; keys of subscriptions it ended all the same."""
        told = await self.database.write(
            polling.record_poll, self._box, claimed, seen, move, now=now
        )
        ended = [*told.keys]
        while told.after is not None:
            told = await self.database.write(
                polling.tell_more, self._box, claimed, seen, move, told.after, now=now
            )
            ended += told.keys
        return ended

    async def hint(self, key: str, least_s: Callable[[str], float], *, now: float) -> bool:
        """Poll a subscription's task now, but once in `least_s` of its provider."""
        return await self.database.write(polling.hint, key, least_s, now=now)

    async def record_end(
        self, watch_id: int, seen: Observation, *, now: float, memory_until: float
    ) -> list[str]:
        """Write a task's end and owe it to all; keys of the subscriptions it ended.

        If this is cut short, `finish_ends` goes on.
        """
        told = await self.database.write(
            polling.record_end,
            self._box,
            watch_id,
            seen,
            now=now,
            memory_until=memory_until,
        )
        return await self._tell_rest(watch_id, told, now)

    async def finish_ends(self, *, now: float) -> list[str]:
        """Tell those who have not heard of an end that is on record; keys of whom."""
        ended: list[str] = []
        for row in await self.database.read(meta.rows, "untold_watches", limit=100):
            told = await self.database.write(
                polling.tell_forgotten, self._box, row["id"], now=now
            )
            ended += await self._tell_rest(row["id"], told, now)
        return ended

    async def _tell_rest(self, watch_id: int, told: Told, now: float) -> list[str]:
        ended = [*told.keys]
        while told.after is not None:
            told = await self.database.write(
                polling.tell_rest, self._box, watch_id, now=now
            )
            ended += told.keys
        return ended

    async def delivery_lanes(self, *, now: float, window: Window) -> Ready:
        return await self.database.read(
            delivery_claims.delivery_lanes, now=now, window=window
        )

    async def claim_deliveries(
        self,
        picks: Sequence[Pick],
        *,
        now: float,
        lease_s: float,
        in_flight: Collection[int] = (),
    ) -> Claims[ClaimedDelivery]:
        return await self.database.write(
            delivery_claims.claim_deliveries,
            self._box,
            picks,
            now=now,
            lease_s=lease_s,
            in_flight=in_flight,
        )

    async def record_attempt(
        self, claimed: ClaimedDelivery, reply: Reply, verdict: Verdict, *, now: float
    ) -> Breaker | None:
        """Returns what it has made of the breaker of its client and host."""
        recorded = await self.database.write(
            breaking.record, self._box, claimed, reply, verdict, now=now
        )
        rest = recorded.rest
        while rest is not None:
            rest = await self.database.write(rest)
        return recorded.breaker

    async def record_attempts(
        self,
        told: Sequence[tuple[ClaimedDelivery, Verdict]],
        reply: Reply,
        *,
        now: float,
    ) -> Breaker | None:
        """As `record_attempt`, of several that one message told of."""
        rests, breaker = await self.database.write(
            breaking.record_several, self._box, told, reply, now=now
        )
        for rest in rests:
            left: Rest | None = rest
            while left is not None:
                left = await self.database.write(left)
        return breaker

    async def ask_for_attempt(
        self, key: str, sequence: int, client: str | None, *, now: float, hook: str = ""
    ) -> bool:
        """Owe one extra attempt; False if there is no such delivery. `hook`: the key of the
        hook it is for, if it is for one.

        Raises RequestError if the delivery was stopped, superseded or filtered, if its hook
        was removed, and while an attempt that was asked for is being made.
        """
        return await self.database.write(
            asking.ask_for_attempt, key, sequence, client, now=now, hook=hook
        )

    async def ask_once(
        self, asked: AskedFor, client: str, used: IdempotencyKey, *, now: float
    ) -> Once:
        """As `ask_for_attempt`, by `client`, unless that was asked for under this
        Idempotency-Key already. Raises RequestError if it was used for another delivery.
        """
        return await self.database.write(
            asking.ask_once, self._box, asked, client, used, now=now
        )

    async def find_replays(
        self,
        wanted: DeliveryFilter,
        *,
        began_at: float,
        limit: int,
        after: After = replaying.BEGINNING,
    ) -> Replays:
        """Some of the deliveries that one extra attempt each may be asked for. `wanted` has
        a state and an end of its time.
        """
        return await self.database.scan(
            replaying.find_replays, wanted, began_at=began_at, after=after, limit=limit
        )

    async def replay(
        self, ids: Sequence[int], state: str, *, began_at: float, now: float
    ) -> int:
        """Owe one extra attempt to each of a chunk that is still in that state and is owed
        none; to how many.
        """
        owed = await self.database.write(
            replaying.replay, ids, state, began_at=began_at, now=now
        )
        if self.database.shared:
            for each in set(ids) - owed:  # others may be at it: wait for them, one by one
                owed |= await self.database.write(
                    replaying.replay, [each], state, began_at=began_at, now=now, wait=True
                )
        return len(owed)

    async def begin_replay(self, kept: Kept, *, now: float) -> Progress:
        """How far a replay under this Idempotency-Key has come. Raises RequestError if it
        was used for another.
        """
        return await self.database.write(resuming.begin, self._box, kept, now=now)

    async def replay_on(
        self,
        kept: Kept,
        so_far: Progress,
        then: Progress,
        ids: Sequence[int],
        state: str,
        *,
        now: float,
    ) -> Progress:
        """As `replay`, after which it has come to `then`. Raises RequestError if another
        request goes on with it.
        """
        go_on = partial(resuming.go_on, state=state, shared=self.database.shared)
        done = await self.database.write(go_on, self._box, kept, so_far, then, ids, now=now)
        return await self.replay_left(kept, done, state, now=now)

    async def replay_left(
        self, kept: Kept, so_far: Progress, state: str, *, now: float
    ) -> Progress:
        """Wait for those that others were at, one by one."""
        while so_far.left:
            so_far = await self.database.write(
                resuming.wait_for_left, self._box, kept, so_far, state, now=now
            )
        return so_far

    async def end_replay(self, kept: Kept, so_far: Progress) -> Progress:
        return await self.database.write(resuming.end, self._box, kept, so_far)

    async def speak(self, destination: Destination, *, now: float) -> float:
        """When one message more may be sent there, by what a chat robot's service allows:
        `now`, and it is counted; else later.
        """
        if destination.robot is None:
            return now
        return await self.database.write(
            robots.speak, self._box, destination.robot, destination.url, now=now
        )

    async def mute(self, destination: Destination, *, until: float) -> None:
        """A chat robot has said that it was told too much."""
        if destination.robot is not None:
            await self.database.write(
                robots.mute, self._box, destination.robot, destination.url, until=until
            )

    async def reopen(self, client: str, destination: Destination, *, now: float) -> None:
        """Send there again, if it was gone: it has answered a test."""
        await self.database.write(asking.reopen, self._box, client, destination, now=now)

    async def delivery(
        self, key: str, sequence: int, client: str | None, hook: str = ""
    ) -> Delivery | None:
        """With its attempts."""
        return await self.database.read(
            reading.read_delivery, self._box, key, sequence, client, hook
        )

    async def deliveries(
        self, wanted: DeliveryFilter, *, limit: int, before: int = reading.NEWEST
    ) -> Page:
        return await self.database.scan(
            reading.list_deliveries, self._box, wanted, limit=limit, before=before
        )

    async def add_hook(
        self,
        wish: HookWish,
        *,
        now: float,
        most: int,
        full: RequestError,
        idempotency: IdempotencyKey | None = None,
    ) -> Added:
        """Raises RequestError if the Idempotency-Key was used with another body, and `full`
        if this is no repeat and the client has `most` hooks already.
        """
        add = partial(hooks.add, most=most, full=full)
        return await self.database.write(
            add, self._box, wish, self._mint(), idempotency, now=now
        )

    async def hook(self, key: str, client: str | None) -> Hook | None:
        return await self.database.read(hooks.read, self._box, key, client)

    async def hook_call(self, key: str, client: str | None) -> HookCall | None:
        return await self.database.read(hooks.read_call, self._box, key, client)

    async def hooks(
        self, client: str | None, *, limit: int, before: int = reading.NEWEST
    ) -> Page:
        return await self.database.scan(
            hooks.page, self._box, client, limit=limit, before=before
        )

    async def remove_hook(self, key: str, client: str | None, *, now: float) -> bool:
        """Remove it and drop what it is owed; False if there is none, nor was of late."""
        removed = await self.database.write(hooks.remove, key, client, now=now)
        rest = removed.rest
        while rest is not None:
            rest = await self.database.write(rest)
        return removed.found

    async def notice(self, to: noticing.To, seen: Seen, *, now: float) -> Sequence[Notice]:
        """Owe the operator what is new since anybody last looked; what that is."""
        return await self.database.write(
            noticing.look, self._box, to, seen, now=now, mint=self._mint
        )

    async def begin(self, *, now: float) -> int:
        """At the start. A lone process takes over from the former one, whose claims are
        due again, and how many; 0 of nodes that share the database.
        """
        step = starting.join if self.database.shared else starting.take_over
        return await self.database.write(step, now=now)

    async def come_back(self, *, now: float) -> None:
        """After a time in which the database could not be asked: as others may have, the
        five minutes for a last answer begin anew only if nobody has.
        """
        await self.database.write(starting.join, now=now)

    async def check_deadlines(
        self, policy: Callable[[str], PollPolicy], doubt: Doubt
    ) -> Deadlines:
        return await self.database.write(upkeep.check_deadlines, self._box, policy, doubt)

    async def end_keyless(self, doubt: Doubt) -> list[str]:
        """End what a key that never worked has kept waiting for ten minutes."""
        ended: list[str] = []
        while keys := await self.database.write(upkeep.end_keyless, self._box, doubt):
            ended += keys
        return ended

    async def sweep(self, *, now: float) -> int:
        """Repair what must not exist; how much of it there was."""
        if not await self.database.scan(sweeping.anything_amiss):
            return 0
        return await self.database.write(
            sweeping.sweep, self._box, now=now, shared=self.database.shared
        )

    async def prune(self, *, before: float) -> int:
        """Delete a chunk of what finished before that time; 0 when there is no more."""
        return await self.database.write(
            upkeep.prune, before=before, shared=self.database.shared
        )

    async def forget(self, *, now: float, idempotency_before: float) -> int:
        """Drop a chunk of what is remembered no longer, answers of tasks and
        Idempotency-Keys; 0 when there is no more.
        """
        return await self.database.write(
            upkeep.forget,
            now=now,
            idempotency_before=idempotency_before,
            shared=self.database.shared,
        )

    async def rekey(self, cursor: Cursor = Cursor()) -> Cursor:  # noqa: B008 - immutable
        """Seal a chunk anew with the newest key; call again until it is finished."""
        return await self.database.write(rekeying.rekey, self._box, cursor)

    async def rewrap(self) -> None:
        """Seal the fingerprint key anew: the last step of a rekey."""
        await self.database.write(meta.rewrap, self._box.vault)

    async def new_events(self, after: Mark) -> Sequence[Mark]:
        """A page of the events behind that one, of all clients, by their times. A mark made
        of a time stands before all events of that time.
        """
        return await self.database.scan(live.new_events, after)

    async def event_news(self, marks: Sequence[Mark]) -> Sequence[News]:
        """These events, but for those that do not open or have been pruned."""
        return await self.database.scan(live.event_news, self._box, marks)

    async def note_time(self, now: float, *, believed: float | None = None) -> None:
        """Remember that scheduling time has come so far, and how much of it is no doubt."""
        reached = meta.Reached(now, now if believed is None else believed)
        await self.database.write(meta.note_time, reached)

    async def take_job(self, name: str, *, now: float, every_s: float) -> bool:
        """Whether it is for this node to do it now, of several that share the database."""
        if not self.database.shared:
            return True
        return await self.database.write(meta.take_job, name, now=now, every_s=every_s)

    async def beat(self, node: str, *, takes: bool, now: float, alive_s: float) -> int:
        """Say that this node is up, and whether it takes requests; how many of those that
        do have said so in the last `alive_s`.

        Raises SealBroken if it must not seal anything any more.
        """
        return await self.database.write(
            meta.beat, self._box.vault, node, takes=takes, now=now, alive_s=alive_s
        )

    async def leave(self, node: str, *, before: float) -> None:
        """This node goes. Forgets those as well who were last seen `before`."""
        await self.database.write(meta.leave, node, before=before)

    async def learn(self, news: Mapping[Kind, History], *, now: float) -> None:
        """Add what was seen of durations to what all nodes have seen."""
        await self.database.write(durations.learn, news, now=now)

    async def durations(self, *, since: float) -> dict[Kind, History]:
        """By provider and model, of those that have news since."""
        return await self.database.scan(durations.read, since=since)

    async def configured_credentials(
        self, providers: Collection[str]
    ) -> dict[str, Mapping[str, Any]]:
        """The state of each provider's configured key, of those that were ever used."""
        return await self.database.read(meta.configured_states, self._box, providers)

    async def credentials(self) -> list[Mapping[str, Any]]:
        """Each account's state: provider, worked_at, refused_at, paused_until, …"""
        return await self.database.scan(meta.rows, "credential_states")

    async def active_counts(self) -> dict[str, int]:
        """Active subscriptions of each client."""
        rows = await self.database.scan(meta.rows, "active_counts")
        return {row["client"]: row["active"] for row in rows}

    async def in_use(self) -> tuple[set[str], set[str]]:
        """Clients and providers that the configuration must still know.

        By the writer: what was to be written before this is seen.
        """
        return await self.database.write(meta.in_use)

    async def backlog(self, now: float) -> Mapping[str, Any]:
        """watches, paused, deliveries, oldest_poll_at, oldest_delivery_at, exhausted."""
        [row] = await self.database.scan(meta.rows, "backlog", now=now)
        return row
