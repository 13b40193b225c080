"""Steps about the database itself: its fingerprint key, its time, its figures."""

import secrets
from collections.abc import Mapping
from typing import Any

from bridge.store.steps import Step, ask
from bridge.vault import Fingerprints, Vault

FINGERPRINT_KEY = "fingerprint_key"
TIME = "time"


def open_meta(vault: Vault) -> Step[tuple[Fingerprints, float]]:
    """The database's fingerprint key, drawn once and never changed, and its last time."""
    rows = yield ask("meta", name=FINGERPRINT_KEY)
    if rows:
        key = vault.open(rows[0]["value"], FINGERPRINT_KEY)
    else:
        key = secrets.token_bytes(32)
        yield ask("set_meta", name=FINGERPRINT_KEY, value=vault.seal(key, FINGERPRINT_KEY))
    times = yield ask("meta", name=TIME)
    return Fingerprints(key), float(times[0]["value"]) if times else 0.0


def configured(fingerprints: Fingerprints, provider: str) -> bytes:
    """The credential that is the configured key, whichever that is now: it may change."""
    return fingerprints.of("credential", provider, "configured", "")


def rewrap(vault: Vault) -> Step[None]:
    [row] = yield ask("meta", name=FINGERPRINT_KEY)
    key = vault.open(row["value"], FINGERPRINT_KEY)
    yield ask("set_meta", name=FINGERPRINT_KEY, value=vault.seal(key, FINGERPRINT_KEY))


def note_time(now: float) -> Step[None]:
    yield ask("set_meta", name=TIME, value=repr(now).encode())


def rows(query: str, **params: Any) -> Step[list[Mapping[str, Any]]]:
    return [dict(row) for row in (yield ask(query, **params))]  # type: ignore[call-overload]


def in_use() -> Step[tuple[set[str], set[str]]]:
    watched = yield ask("work_in_flight")
    owing = yield ask("owing_clients")
    clients = {row["client"] for row in (*watched, *owing)}
    return clients, {row["provider"] for row in watched}
