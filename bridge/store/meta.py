"""Steps about the database itself: its fingerprint key, its time, its figures."""

import secrets
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from bridge.errors import SealBroken
from bridge.store.box import Box
from bridge.store.steps import Step, ask
from bridge.vault import ID_BYTES, Fingerprints, Vault

FINGERPRINT_KEY = "fingerprint_key"
SEALED_WITH = "sealed_with"  # ids of the encryption keys that were ever the newest
TIME = "time"
NO_API = "no-api-"  # before the name of a node that takes no requests


class Reached(NamedTuple):
    """The last scheduling time that was noted, and how much of it was beyond doubt; both 0
    for a new database.
    """

    at: float = 0.0
    believed_at: float = 0.0


def open_meta(vault: Vault) -> Step[tuple[Fingerprints, Reached]]:
    """The database's fingerprint key, drawn once and never changed, and its last time.

    Raises SealBroken if an encryption key is missing that it was written with.
    """
    rows = yield ask("meta", name=FINGERPRINT_KEY)
    if not rows:
        drawn = vault.seal(secrets.token_bytes(32), FINGERPRINT_KEY)
        yield ask("add_meta", name=FINGERPRINT_KEY, value=drawn)
        rows = yield ask("meta", name=FINGERPRINT_KEY)  # another node's, if it was first
    key = vault.open(rows[0]["value"], FINGERPRINT_KEY)
    yield from check_keys(vault)
    return Fingerprints(key), (yield from read_time())


def read_time() -> Step[Reached]:
    rows = yield ask("meta", name=TIME)
    return Reached(*map(float, rows[0]["value"].split())) if rows else Reached()


def check_keys(vault: Vault) -> Step[None]:
    """The newest key is known to be in use from now on. Raises SealBroken."""
    yield ask("add_meta", name=SEALED_WITH, value=b"")
    yield ask("lock_meta", name=SEALED_WITH)  # another node may start with other keys
    used = yield from used_keys(vault)
    if vault.newest_id not in used:
        yield ask("set_meta", name=SEALED_WITH, value=b"".join([*used, vault.newest_id]))


def check_opens(vault: Vault) -> Step[None]:
    """Whether `open_meta` would succeed; changes nothing. Raises SealBroken."""
    for row in (yield ask("meta", name=FINGERPRINT_KEY)):
        vault.open(row["value"], FINGERPRINT_KEY)
    yield from used_keys(vault)


def used_keys(vault: Vault) -> Step[list[bytes]]:
    """Ids of the keys that values may be sealed with.

    Raises SealBroken if one was taken away too early: such values could not be read.
    """
    ids = yield from sealed_with()
    missing = sum(not vault.has(key_id) for key_id in ids)
    if missing:
        raise SealBroken(
            f"{missing} of the encryption keys that the database was written with "
            "are not in encryption_keys: put them back, after the newest; "
            "`poll-bridge rekey` makes them superfluous"
        )
    return ids


def sealed_with() -> Step[list[bytes]]:
    rows = yield ask("meta", name=SEALED_WITH)
    used = bytes(rows[0]["value"]) if rows else b""
    return [used[at : at + ID_BYTES] for at in range(0, len(used), ID_BYTES)]


def configured(fingerprints: Fingerprints, provider: str) -> bytes:
    """The credential that is the configured key, whichever that is now: it may change."""
    return fingerprints.of("credential", provider, "configured", "")


def rewrap(vault: Vault) -> Step[None]:
    [row] = yield ask("meta", name=FINGERPRINT_KEY)
    key = vault.open(row["value"], FINGERPRINT_KEY)
    yield ask("set_meta", name=FINGERPRINT_KEY, value=vault.seal(key, FINGERPRINT_KEY))
    yield ask("set_meta", name=SEALED_WITH, value=vault.newest_id)


def note_time(reached: Reached) -> Step[None]:
    value = " ".join(map(repr, reached)).encode()
    yield ask("set_meta", name=TIME, value=value)


def take_job(name: str, *, now: float, every_s: float) -> Step[bool]:
    """Whether it is for the asker to do this now, who then has it for `every_s`."""
    yield ask("add_job", name=name)
    return bool((yield ask("take_job", name=name, now=now, next_at=now + every_s)))


def beat(vault: Vault, node: str, *, takes: bool, now: float, alive_s: float) -> Step[int]:
    """Say that this node is up; how many are that take requests, as this one or not.

    Raises SealBroken if its newest key is in use no more: there was a `rekey` while it had
    nothing to say, and what it went on sealing would not open once that key is taken away.
    """
    name, other = (node, NO_API + node) if takes else (NO_API + node, node)
    yield ask("beat_node", node=name, now=now)
    yield ask("drop_nodes", node=other, before=0.0)
    if vault.newest_id not in (yield from sealed_with()):
        raise SealBroken("a rekey took it over to another key while this node was silent")
    [counted] = yield ask("count_takers", since=now - alive_s)
    nodes: int = counted["nodes"]
    return nodes


def count_nodes(*, since: float) -> Step[int]:
    [counted] = yield ask("count_nodes", since=since)
    nodes: int = counted["nodes"]
    return nodes


def leave(node: str, *, before: float) -> Step[None]:
    """This node goes; so have those who have not said a word since."""
    for name in (node, NO_API + node):
        yield ask("drop_nodes", node=name, before=before)


def rows(query: str, **params: Any) -> Step[list[Mapping[str, Any]]]:
    return [dict(row) for row in (yield ask(query, **params))]  # type: ignore[call-overload]


def in_use() -> Step[tuple[set[str], set[str]]]:
    active = yield ask("active_clients")
    owing = yield ask("owing_clients")
    providers = yield ask("polled_providers")
    clients = {row["client"] for row in (*active, *owing)}
    return clients, {row["provider"] for row in providers}


def configured_states(
    box: Box, providers: Collection[str]
) -> Step[dict[str, Mapping[str, Any]]]:
    """What is known of each provider's configured key."""
    states: dict[str, Mapping[str, Any]] = {}
    for name in providers:
        fingerprint = configured(box.fingerprints, name)
        for row in (yield ask("credential_state", fingerprint=fingerprint)):
            states[name] = dict(row)  # type: ignore[call-overload]
    return states
