"""Steps that read what a person should look at: receivers in trouble, refused keys.

Figures are of a bounded number of deliveries, the newest of their state.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.model import DeliveryState
from bridge.store.steps import Row, Step, ask

LOOKED_AT = 1_000  # deliveries of a state


@dataclass(frozen=True, slots=True, kw_only=True)
class TroubledHost:
    """Deliveries of one client to one host that go badly. What is said last is of the
    newest of them.
    """

    client: str
    host: str
    state: DeliveryState
    deliveries: int
    since: float  # when the oldest of them was made
    last_outcome: str | None
    last_http_status: int | None
    hint: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedKeys:
    """Callers' own keys of one provider that it takes no more, as far as tasks wait."""

    provider: str
    keys: int
    since: float | None


def troubled_hosts(client: str | None, state: DeliveryState) -> Step[list[TroubledHost]]:
    rows = yield ask("troubled_hosts", client=client, state=state, limit=LOOKED_AT)
    return [troubled_host(row, state) for row in rows]


def troubled_host(row: Row, state: DeliveryState) -> TroubledHost:
    return TroubledHost(
        client=row["client"],
        host=row["host"],
        state=state,
        deliveries=row["deliveries"],
        since=row["since"],
        last_outcome=row["last_outcome"],
        last_http_status=row["http_status"],
        hint=row["hint"],
    )


def refused_keys(client: str | None) -> Step[Sequence[RefusedKeys]]:
    rows = yield ask("refused_keys", client=client)
    return [
        RefusedKeys(provider=row["provider"], keys=row["refused"], since=row["since"])
        for row in rows
    ]
