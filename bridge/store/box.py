"""What the database must not know: sealed on the way in, opened on the way out."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar, cast

import orjson
import structlog

from bridge import portable
from bridge.errors import SealBroken
from bridge.model import Destination, Observation, Robot
from bridge.store.answers import from_plain, to_plain
from bridge.vault import Fingerprints, Vault

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Box:
    """Seals values to their place, and fingerprints what is only compared."""

    def __init__(self, vault: Vault, fingerprints: Fingerprints) -> None:
        self.vault, self.fingerprints = vault, fingerprints

    def seal(self, value: Any, place: str) -> bytes:
        return self.vault.seal(portable.encode(value), place)

    def open(self, sealed: bytes, place: str) -> Any:
        return orjson.loads(self.vault.open(sealed, place))

    def seal_destination(self, destination: Destination) -> bytes:
        plain: dict[str, Any] = {
            "url": destination.url,
            "host": destination.host,
            "headers": dict(destination.headers),
        }
        if destination.robot is not None:
            plain["robot"] = asdict(destination.robot)
        return self.seal(plain, "destination")

    def open_destination(self, sealed: bytes) -> Destination:
        plain = self.open(sealed, "destination")
        robot = plain.pop("robot", None)
        return Destination(**plain, robot=Robot(**robot) if robot else None)

    def fingerprint_destination(self, client: str, destination: Destination) -> bytes:
        """Of a robot, what it is told by counts as well."""
        headers = orjson.dumps(dict(destination.headers), option=orjson.OPT_SORT_KEYS)
        robot = [orjson.dumps(asdict(destination.robot))] if destination.robot else []
        return self.fingerprints.of("destination", client, destination.url, headers, *robot)

    def seal_key(self, key: str | None) -> bytes | None:
        return None if key is None else self.seal(key, "credential")

    def open_key(self, sealed: bytes) -> str:
        return cast("str", self.open(sealed, "credential"))

    def open_body(self, sealed: bytes) -> bytes:
        return self.vault.open(sealed, "event")

    def open_event(self, sealed: bytes) -> Mapping[str, Any]:
        return cast("Mapping[str, Any]", self.open(sealed, "event"))

    def open_answer(self, sealed: bytes) -> bytes:
        return self.vault.open(sealed, "attempt")

    def seal_observation(self, seen: Observation) -> bytes:
        return self.seal(to_plain(seen), "answer")

    def open_observation(self, sealed: bytes) -> Observation:
        return from_plain(self.open(sealed, "answer"))


def opened(open_: Callable[[bytes], T], sealed: bytes | None) -> T | None:
    """None as well for what does not open: one damaged row must not stop the others."""
    if sealed is None:
        return None
    try:
        return open_(sealed)
    except SealBroken as error:
        log.error("row.unreadable", error=str(error))
        return None
