"""Steps of standing hooks: add, read and remove them."""

from functools import partial
from typing import NamedTuple

from bridge.errors import RequestError
from bridge.model import Hook, HookWish, IdempotencyKey
from bridge.rfc3339 import rfc3339
from bridge.store.box import Box, opened
from bridge.store.calling import Call
from bridge.store.delivering import Rest
from bridge.store.reading import NEWEST, Page
from bridge.store.remembering import forget, recall, remember
from bridge.store.steps import Row, Step, ask
from bridge.store.subscribing import put_destination
from bridge.store.telling import CHUNK

REMEMBERED_S = 86_400.0  # that there was one, when it is removed again


class Added(NamedTuple):
    """`replayed`: the answer is that of an earlier request under the same key."""

    hook: Hook
    created: bool  # False: an identical request had been answered before
    replayed: bool = False


def add(
    box: Box,
    wish: HookWish,
    key: str,
    idempotency: IdempotencyKey | None = None,
    *,
    now: float,
    most: int,
    full: RequestError,
) -> Step[Added]:
    """Write the hook, or find its like. Raises `full` if the client has `most` already, and
    RequestError if the hook made under this key was removed.
    """
    yield from lock(wish.client)
    if idempotency is not None:
        replayed = yield from replay(box, wish.client, idempotency, now)
        if replayed is not None:
            return replayed
    added = yield from add_or_find(box, wish, key, now=now, most=most, full=full)
    if idempotency is not None:
        about = added.hook.id.removeprefix("hook_")
        yield from remember(
            box, wish.client, idempotency, about, created=added.created, now=now
        )
    return added


def replay(
    box: Box, client: str, idempotency: IdempotencyKey, now: float
) -> Step[Added | None]:
    """A late repeat does not bring back a hook that was removed since: RequestError."""
    known = yield from recall(box, client, idempotency, now=now)
    if known is not None:
        for row in (yield ask("find_hook", key=known.about, client=client)):
            if row["removed_at"] is not None:
                raise removed(row["removed_at"])
            found = yield from view(box, row["id"])
            return Added(found, known.created, replayed=True)
        yield from forget(box, client, idempotency, now=now)
    return None


def removed(at: float) -> RequestError:
    when = f"was removed at {rfc3339(at)}; use a new key to add one again"
    return RequestError("hook_removed", f"the hook made under this Idempotency-Key {when}")


def add_or_find(
    box: Box, wish: HookWish, key: str, *, now: float, most: int, full: RequestError
) -> Step[Added]:
    identity = box.fingerprints.of("hook", wish.client, wish.canonical)
    destination_id = yield from put_destination(box, wish)
    for row in (yield ask("find_equal_hook", identity=identity)):
        return Added((yield from view(box, row["id"])), created=False)
    [counted] = yield ask("count_hooks", client=wish.client)
    if counted["hooks"] >= most:
        raise full
    yield from put(box, wish, identity, destination_id, key=key, now=now)
    [row] = yield ask("find_hook", key=key, client=wish.client)
    return Added((yield from view(box, row["id"])), created=True)


def put(
    box: Box, wish: HookWish, identity: bytes, destination_id: int, *, key: str, now: float
) -> Step[None]:
    yield ask(
        "add_hook",
        key=key,
        client=wish.client,
        identity=identity,
        destination_id=destination_id,
        events=" ".join(wish.events),
        provider=wish.provider,
        method=wish.method,
        format=wish.format,
        sealed=sealed_secrets(box, wish),
        now=now,
    )
    # Not before: a 410 to an older attempt waits for a hook that is written.
    yield ask("reopen_gone_destination", destination_id=destination_id, now=now)


def lock(client: str) -> Step[None]:
    """Nobody adds one for the client meanwhile."""
    place = f"hook for {client}"
    yield ask("add_job", name=place)
    yield ask("lock_job", name=place)


def sealed_secrets(box: Box, wish: HookWish) -> bytes:
    secrets = {"signing_secrets": list(wish.signing_secrets), "minted": wish.minted}
    return box.seal(secrets, "hook")


def secrets_of(box: Box, sealed: bytes) -> tuple[str, ...]:
    """What its webhooks are signed with. Raises SealBroken."""
    return tuple(box.open(sealed, "hook")["signing_secrets"])


def read(box: Box, key: str, client: str | None) -> Step[Hook | None]:
    for row in (yield ask("find_hook", key=key, client=client)):
        if row["removed_at"] is None:
            return (yield from view(box, row["id"]))
    return None


def read_call(box: Box, key: str, client: str | None) -> Step[Call | None]:
    for found in (yield ask("find_hook", key=key, client=client)):
        if found["removed_at"] is not None:
            return None
        [row] = yield ask("view_hook", hook_id=found["id"])
        return Call(
            client=row["client"],
            events=tuple(row["events"].split(" ")),
            method=row["method"],
            format=row["format"],
            to=opened(box.open_destination, row["destination"]),
            secrets=opened(partial(secrets_of, box), row["sealed"]),
        )
    return None


def page(box: Box, client: str | None, *, limit: int, before: int = NEWEST) -> Step[Page]:
    """Newest first."""
    rows = yield ask("page_of_hooks", client=client, before=before, limit=limit + 1)
    items: list[Hook] = []
    for row in rows[:limit]:
        items += [(yield from view(box, row["id"]))]
    return Page(items, rows[limit - 1]["id"] if len(rows) > limit else None)


def view(box: Box, hook_id: int) -> Step[Hook]:
    [row] = yield ask("view_hook", hook_id=hook_id)
    return hook_of(box, row)


def hook_of(box: Box, row: Row) -> Hook:
    destination = opened(box.open_destination, row["destination"])
    secrets = opened(partial(box.open, place="hook"), row["sealed"])
    minted = secrets["signing_secrets"][0] if secrets and secrets["minted"] else None
    return Hook(
        id=f"hook_{row['key']}",
        client=row["client"],
        url=destination.shown if destination else None,
        events=tuple(row["events"].split(" ")),
        provider=row["provider"],
        method=row["method"],
        format=row["format"],
        created_at=row["created_at"],
        minted_secret=minted,
    )


class Removed(NamedTuple):
    found: bool  # False: there is no such hook, and was none of late
    rest: Rest | None = None  # what is left for a transaction of its own


def remove(key: str, client: str | None, *, now: float) -> Step[Removed]:
    """From now on nothing is owed to it. An attempt in flight may still arrive."""
    for row in (yield ask("find_hook", key=key, client=client)):
        if row["removed_at"] is not None:
            return Removed(found=True)
        yield ask("remove_hook", hook_id=row["id"], now=now)
        rest = yield from drop_owed(row["id"], row["destination_id"], now=now)
        return Removed(found=True, rest=rest)
    return Removed(found=False)


def drop_owed(hook_id: int, destination_id: int, *, now: float) -> Step[Rest | None]:
    """Drop a chunk of what is owed to a hook that was removed.

    What is forgotten here, because the process dies, is dropped as it falls due.
    """
    rows = yield ask(
        "hook_deliveries", hook_id=hook_id, destination_id=destination_id, limit=CHUNK
    )
    for row in rows:
        yield ask("drop_hook_delivery", delivery_id=row["id"], now=now)
        yield ask("drop_schedule", delivery_id=row["id"])
    more = len(rows) == CHUNK
    return Rest(partial(drop_owed, hook_id, destination_id, now=now)) if more else None


def clear_out(*, now: float) -> Step[None]:
    """Delete a chunk of those removed that no delivery speaks of any more."""
    for row in (yield ask("old_hooks", before=now - REMEMBERED_S, limit=CHUNK)):
        yield ask("delete_hook", hook_id=row["id"])
        yield ask("delete_destination", destination_id=row["destination_id"])
        yield ask("delete_lane", lane_id=row["lane_id"])
