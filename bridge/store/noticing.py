"""Steps of notices: see what there is to tell the operator, and owe it, once.

Whoever looks first tells; the others, of several nodes, find that it is told.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

import orjson

from bridge.messages import notices
from bridge.messages.ids import message_id
from bridge.messages.notices import NOBODY, Lost, Notice, Seen, Told
from bridge.model import DeliveryState, Destination, HookWish
from bridge.portable import encode
from bridge.store import hooks, meta
from bridge.store.box import Box
from bridge.store.owing import add_delivery, schedule
from bridge.store.rows import hook_id
from bridge.store.steps import Row, Step, ask
from bridge.store.subscribing import put_destination
from bridge.store.telling import CHUNK

TOLD = "told"  # under this name in `meta`: what was, and until when was looked
SETTLED_S = 30.0  # by then what was written at a time can be seen, had it to wait for locks


@dataclass(frozen=True, slots=True, kw_only=True)
class To:
    """Where notices go, and which."""

    destination: Destination
    format: str
    types: Collection[str]
    keyed: Collection[str] = field(default=())  # providers with a configured key


def look(
    box: Box, to: To, seen: Seen, *, now: float, mint: Callable[[], str]
) -> Step[Sequence[Notice]]:
    """Tell what is new since the last look of any node; those that are owed now.

    `seen` is what this node has seen by itself; the database adds what it knows.
    """
    yield ask("add_meta", name=TOLD, value=fresh(now))
    [row] = yield ask("lock_meta", name=TOLD)
    kept = orjson.loads(row["value"])
    told = Told(frozenset(kept["refused"]).intersection(to.keyed), kept["down"])
    until = max(now - SETTLED_S, kept["until"])
    seen = yield from completed(box, to, seen, kept["until"], until)
    owed: list[Notice] = []
    after = told.after(seen)
    for notice in notices.news(told, seen):
        if notice.type not in to.types:
            continue
        if (yield from first(notice, now)):
            yield from add(box, to, notice, now=now, mint=mint)
            owed.append(notice)
        else:
            after = after.but(notice, told)
    yield ask("set_meta", name=TOLD, value=written(after, until))
    return owed


def fresh(now: float) -> bytes:
    """Before the first look nothing is news."""
    return written(Told(), now - SETTLED_S)


def written(told: Told, until: float) -> bytes:
    kept = {"refused": sorted(told.refused), "down": told.down, "until": until}
    return orjson.dumps(kept)


def first(notice: Notice, now: float) -> Step[bool]:
    """Whether none of its type and subject was told of late."""
    name = f"notice {notice.type} {notice.subject}"
    return (yield from meta.take_job(name, now=now, every_s=notices.AGAIN_S))


def completed(box: Box, to: To, seen: Seen, since: float, until: float) -> Step[Seen]:
    refused: dict[str, float] = {}
    accepted: set[str] = set()
    states = yield from meta.configured_states(box, to.keyed)
    for name, state in states.items():
        if state["probes"]:
            refused[name] = state["refused_at"]
        elif state["refused_at"] is None and state["worked_at"] is not None:
            accepted.add(name)
    span = {"since": since, "until": until}
    exhausted = yield ask("exhausted_since", **span)
    gone = yield ask("gone_since", **span)
    return replace(
        seen,
        refused=refused,
        accepted=frozenset(accepted),
        exhausted={row["client"]: lost(row, delivery_of(row)) for row in exhausted},
        gone={row["client"]: lost(row, None) for row in gone},
    )


def lost(row: Row, delivery_id: str | None) -> Lost:
    return Lost(row["count"], row["host"], delivery_id)


def delivery_of(row: Row) -> str:
    return message_id(f"sub_{row['key']}", row["sequence"], hook_id(row))


def add(
    box: Box, to: To, notice: Notice, *, now: float, mint: Callable[[], str]
) -> Step[None]:
    """Its event, and what is owed of it, like any other."""
    owner = yield from put_owner(box, now, mint)
    [row] = yield ask("next_update", subscription_id=owner["id"])
    sequence: int = row["updates"]
    event = notices.event_of(notice, f"sub_{owner['key']}", sequence, now)
    yield ask(
        "add_event",
        subscription_id=owner["id"],
        sequence=sequence,
        type=notice.type,
        now=now,
        body=box.vault.seal(encode(event), "event"),
    )
    hook, lane_id = yield from put_hook(box, to, now, mint)
    place = (hook["id"], hook["destination_id"])
    waiting = DeliveryState.WAITING
    delivery_id = yield from add_delivery((owner["id"], sequence), place, waiting, now)
    yield from schedule(delivery_id, lane_id, at=now, retry=False)


def put_owner(box: Box, now: float, mint: Callable[[], str]) -> Step[Row]:
    """Made with the first notice. `look` has the lock against others who would."""
    rows = yield ask("notice_owner")
    if not rows:
        fingerprint = box.fingerprints.of("notices")
        yield ask("add_credential", fingerprint=fingerprint, provider=NOBODY, own=0)
        [credential] = yield ask("find_credential", fingerprint=fingerprint)
        [watch] = yield ask(
            "put_watch",
            identity=fingerprint,
            credential_id=credential["id"],
            provider=NOBODY,
            task_id=NOBODY,
            params="{}",
            label=None,
            now=now,
        )
        yield ask("add_notice_owner", key=mint(), watch_id=watch["id"], now=now)
        rows = yield ask("notice_owner")
    return rows[0]


def put_hook(
    box: Box, to: To, now: float, mint: Callable[[], str]
) -> Step[tuple[Row, int]]:
    """The hook that leads where the configuration says now, and its lane."""
    wish = HookWish(
        client=NOBODY,
        destination=to.destination,
        format=to.format,
        signing_secrets=(),  # those of the moment at which it is sent
        canonical=orjson.dumps([to.format, to.destination.url, to.destination.robot]),
    )
    destination_id = yield from put_destination(box, wish)
    identity = box.fingerprints.of("hook", NOBODY, wish.canonical)
    found = yield ask("find_equal_hook", identity=identity)
    if not found:
        key = mint()
        yield from hooks.put(box, wish, identity, destination_id, key=key, now=now)
        found = yield ask("find_equal_hook", identity=identity)
    yield ask("remove_other_hooks", client=NOBODY, hook_id=found[0]["id"], now=now)
    [lane] = yield ask("destination_lane", destination_id=destination_id)
    return found[0], lane["id"]


def clear_out(*, before: float) -> Step[None]:
    """Delete a chunk of those that are old and owed no more."""
    for row in (yield ask("old_notices", before=before, limit=CHUNK)):
        place = {"subscription_id": row["subscription_id"], "sequence": row["sequence"]}
        yield ask("delete_notice_attempts", **place)
        yield ask("delete_notice_deliveries", **place)
        yield ask("delete_notice", **place)
