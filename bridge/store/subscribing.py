"""Steps of subscribing and stopping."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import orjson

from bridge.errors import RequestError
from bridge.model import (
    DeliveryState,
    HookWish,
    IdempotencyKey,
    Observation,
    Subscription,
    SubscriptionState,
    Wish,
)
from bridge.portable import storable
from bridge.store.box import Box, opened
from bridge.store.claims import share_of
from bridge.store.delivering import put_lane
from bridge.store.meta import configured
from bridge.store.reading import read_subscription
from bridge.store.remembering import forget, recall, remember
from bridge.store.robots import lead_to_robot
from bridge.store.rows import listener, listener_of
from bridge.store.steps import Row, Step, ask
from bridge.store.telling import drop_pending, rest_if_idle, tell_end

CHUNK = 500
KNOWN_S = 86_400.0  # an identical repeat finds the ended subscription this long


@dataclass(frozen=True, slots=True)
class Subscribed:
    """`replayed`: the answer, `created` or not, is that of an earlier request with the same
    Idempotency-Key.
    """

    subscription: Subscription
    created: bool  # False: an identical request had been answered before
    replayed: bool = False


def subscribe(
    box: Box,
    wish: Wish,
    idempotency: IdempotencyKey | None,
    *,
    now: float,
    mint: Callable[[], str],
    full: RequestError | None,
    most: int | None = None,
) -> Step[Subscribed]:
    """Write the subscription, its watch and what else it needs, or find its like."""
    if idempotency is not None:
        replayed = yield from replay(box, wish.client, idempotency, now)
        if replayed is not None:
            return replayed
    identity = box.fingerprints.of("subscription", wish.client, wish.canonical)
    key = yield from repeated(box, wish, identity, now)
    created = key is None
    if key is None:
        if full is not None and not (yield from room(wish.client, most)):
            raise full
        key = mint()
        yield from add(box, wish, key, identity, now)
    if idempotency is not None:
        yield from remember(box, wish.client, idempotency, key, created=created, now=now)
    subscription = yield from read_subscription(box, key, wish.client)
    assert subscription is not None  # noqa: S101 - written or found above
    return Subscribed(subscription, created)


def room(client: str, most: int | None) -> Step[bool]:
    """Whether fewer than `most` are active; nobody adds one for the client meanwhile."""
    if most is None:
        return False
    place = f"add for {client}"
    yield ask("add_job", name=place)
    yield ask("lock_job", name=place)
    [counted] = yield ask("count_active", client=client)
    return bool(counted["active"] < most)


def replay(
    box: Box, client: str, idempotency: IdempotencyKey, now: float
) -> Step[Subscribed | None]:
    known = yield from recall(box, client, idempotency, now=now)
    if known is None:
        return None
    found = yield from read_subscription(box, known.about, client)
    if found is None:
        yield from forget(box, client, idempotency, now=now)
        return None
    return Subscribed(found, created=known.created, replayed=True)


def repeated(box: Box, wish: Wish, identity: bytes, now: float) -> Step[str | None]:
    """The key of the subscription that this request would make again, if any."""
    for row in (yield ask("find_repeat", identity=identity)):
        active = row["state"] == SubscriptionState.ACTIVE
        if active or row["finished_at"] > now - KNOWN_S:
            yield from renew(box, wish, now, active=active)
            found: str = row["key"]
            return found
        yield ask("forget_identity", identity=identity)
    return None


def renew(box: Box, wish: Wish, now: float, *, active: bool) -> Step[None]:
    """Who asks again means it: the URL is no longer gone, and the key is still good."""
    if wish.destination is not None:
        destination_id = yield from put_destination(box, wish)
        yield ask("reopen_destination", destination_id=destination_id, now=now)
    if active:
        fingerprint = credential_of(box, wish)
        for row in (yield ask("find_credential", fingerprint=fingerprint)):
            yield from keep_key(box, wish, row["id"])


def credential_of(box: Box, wish: Wish) -> bytes:
    if wish.provider_key is None:
        return configured(box.fingerprints, wish.provider)
    return box.fingerprints.of("credential", wish.provider, "own", wish.provider_key)


def add(box: Box, wish: Wish, key: str, identity: bytes, now: float) -> Step[None]:
    watch = yield from put_watch(box, wish, now)
    destination_id = None
    if wish.destination is not None:
        destination_id = yield from put_destination(box, wish)
    [added] = yield ask(
        "add_subscription",
        key=key,
        client=wish.client,
        identity=identity,
        watch_id=watch["id"],
        destination_id=destination_id,
        events=" ".join(wish.events),
        method=wish.method,
        format=wish.format,
        include_raw=int(wish.include_raw),
        sealed=sealed_extras(box, wish),
        now=now,
        deadline_at=now + wish.deadline_s,
    )
    if destination_id is not None:
        # Not before: a 410 to an older attempt waits for a subscription that is written.
        yield ask("reopen_gone_destination", destination_id=destination_id, now=now)
    known = remembered(box, wish, watch, now)
    if known is not None:
        yield from answer_from_memory(box, watch["id"], added["id"], known, now)
    else:
        yield from watch_it(wish, watch, now)
        yield from keep_key(box, wish, watch["credential_id"])


def put_watch(box: Box, wish: Wish, now: float) -> Step[Row]:
    fingerprint = credential_of(box, wish)
    credential_id = yield from put_credential(wish, fingerprint)
    params = orjson.dumps(dict(wish.params), option=orjson.OPT_SORT_KEYS).decode()
    [watch] = yield ask(
        "put_watch",
        identity=box.fingerprints.of("watch", fingerprint, wish.task_id, params),
        credential_id=credential_id,
        provider=wish.provider,
        task_id=wish.task_id,
        params=params,
        label=storable(wish.model),
        now=now,
    )
    return watch


def put_credential(wish: Wish, fingerprint: bytes) -> Step[int]:
    found = yield ask("find_credential", fingerprint=fingerprint)
    if not found:
        own = int(wish.provider_key is not None)
        yield ask(
            "add_credential", fingerprint=fingerprint, provider=wish.provider, own=own
        )
        found = yield ask("find_credential", fingerprint=fingerprint)
    credential_id: int = found[0]["id"]
    return credential_id


def keep_key(box: Box, wish: Wish, credential_id: int) -> Step[None]:
    """A key of the caller's own, unless it is there and opens."""
    if wish.provider_key is None:
        return
    for row in (yield ask("lock_own_credential", credential_id=credential_id)):
        if opened(box.open_key, row["sealed"]) is None:
            sealed = box.seal_key(wish.provider_key)
            yield ask("keep_key", credential_id=credential_id, sealed=sealed)


def watch_it(wish: Wish, watch: Row, now: float) -> Step[None]:
    if watch["ended_at"] is not None:
        yield ask("reopen_watch", watch_id=watch["id"], now=now)
    yield ask(
        "schedule_watch",
        watch_id=watch["id"],
        credential_id=watch["credential_id"],
        share=share_of(wish.client),
        next_at=now + wish.first_poll_s,
        claim_no=watch["polls"],
        born_at=watch["submitted_at"] or now,
        updates=int("task.updated" in wish.events),
        raw=int(wish.include_raw),
    )
    yield ask(
        "advance_credential",
        credential_id=watch["credential_id"],
        at=now + wish.first_poll_s,
    )


def remembered(box: Box, wish: Wish, watch: Row, now: float) -> Observation | None:
    """How the task has ended, while that may still be told to others.

    It is told to whoever comes while there are some who have not been told yet: to ask
    anew would take it from them.
    """
    if not watch["untold"] and now >= (watch["memory_until"] or 0.0):
        return None
    known = opened(box.open_observation, watch["answer"])
    if known is None or watch["untold"]:
        return known
    return None if wish.include_raw and known.raw is None else known


def answer_from_memory(
    box: Box, watch_id: int, subscription_id: int, seen: Observation, now: float
) -> Step[None]:
    """End the new subscription at once with what the provider said before."""
    for row in (yield from listener(watch_id, subscription_id)):
        yield from tell_end(box, listener_of(box, row), seen, now=now)


def put_destination(box: Box, wish: Wish | HookWish) -> Step[int]:
    """Its id; what of it does not open any more is kept anew."""
    destination = wish.destination
    assert destination is not None  # noqa: S101 - the caller has looked
    fingerprint = box.fingerprint_destination(wish.client, destination)
    found = yield ask("find_destination", fingerprint=fingerprint)
    if not found:
        lane_id = yield from put_lane(wish.client, destination.host)
        yield ask(
            "add_destination",
            fingerprint=fingerprint,
            lane_id=lane_id,
            sealed=box.seal_destination(destination),
        )
        found = yield ask("find_destination", fingerprint=fingerprint)
        yield from lead_to_robot(box, wish.client, destination, found[0]["id"])
    destination_id: int = found[0]["id"]
    if opened(box.open_destination, found[0]["sealed"]) is None:
        sealed = box.seal_destination(destination)
        yield ask("keep_destination", destination_id=destination_id, sealed=sealed)
    return destination_id


def sealed_extras(box: Box, wish: Wish) -> bytes | None:
    if not (wish.metadata or wish.signing_secrets or wish.model or wish.trace):
        return None
    extras: dict[str, Any] = {
        "metadata": dict(wish.metadata),
        "signing_secrets": list(wish.signing_secrets),
        "model": wish.model,
    }
    if wish.trace is not None:
        extras["trace"] = wish.trace
    return box.seal(extras, "subscription")


def abandon(
    clients: Collection[str], providers: Collection[str], *, now: float
) -> Step[int]:
    """Stop a chunk of what these clients and providers have in flight; how many it was."""
    keys: set[str] = set()
    for client in clients:
        keys |= {row["key"] for row in (yield ask("owing_of", client=client, limit=CHUNK))}
        rows = yield ask("active_of", client=client, provider=None, limit=CHUNK)
        keys |= {row["key"] for row in rows}
    for provider in providers:
        rows = yield ask("active_of", client=None, provider=provider, limit=CHUNK)
        keys |= {row["key"] for row in rows}
    for key in keys:
        yield from stop(key, None, now=now)
    return len(keys)


def stop(key: str, client: str | None, *, now: float) -> Step[bool]:
    """Stop it and drop what it still owes; False if there is no such subscription."""
    rows = yield ask("find_subscription", key=key, client=client)
    for found in rows:
        yield from leave(found, now=now)
    return bool(rows)


def stop_active(key: str, client: str | None, *, now: float) -> Step[bool | None]:
    """Stop it, unless it is over: then False, and what it owes stays owed. None: there is
    no such subscription.
    """
    for found in (yield ask("find_subscription", key=key, client=client)):
        return (yield from leave(found, now=now, unless_over=True))
    return None


def leave(found: Row, *, now: float, unless_over: bool = False) -> Step[bool]:
    """Whether it was active until now, or else may be over."""
    for watch in (yield ask("lock_watch", watch_id=found["watch_id"])):  # or just pruned
        active = yield ask("stop_subscription", subscription_id=found["id"], now=now)
        if unless_over and not active:
            break
        yield from drop_pending(found["id"], DeliveryState.STOPPED, now)
        yield from rest_if_idle(found["watch_id"], watch["credential_id"])
        return True
    return False
