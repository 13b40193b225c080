"""How a receiver is called: all that a test needs to know of it."""

from functools import partial
from typing import NamedTuple

from bridge.model import Destination
from bridge.store.box import Box, opened
from bridge.store.rows import extras_of
from bridge.store.steps import Step, ask


class Call(NamedTuple):
    """`to` and `secrets` are None if they cannot be read; without secrets it is signed with
    its client's.
    """

    client: str
    events: tuple[str, ...]
    method: str
    format: str
    to: Destination | None
    secrets: tuple[str, ...] | None

    @property
    def readable(self) -> bool:
        return self.to is not None and self.secrets is not None


def read_call(box: Box, key: str, client: str | None) -> Step[Call | None]:
    """Of a subscription; None: there is none, or nobody is to be called."""
    for found in (yield ask("find_subscription", key=key, client=client)):
        for row in (yield ask("view_call", subscription_id=found["id"])):
            return Call(
                client=row["client"],
                events=tuple(row["events"].split(" ")),
                method=row["method"],
                format=row["format"],
                to=opened(box.open_destination, row["destination"]),
                secrets=secrets_of(box, row["sealed"]),
            )
    return None


def secrets_of(box: Box, sealed: bytes | None) -> tuple[str, ...] | None:
    """Empty: nothing was given."""
    if sealed is None:
        return ()
    extras = opened(partial(extras_of, box), sealed)
    return None if extras is None else tuple(extras["signing_secrets"])
