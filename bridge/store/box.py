"""What the database must not know: sealed on the way in, opened on the way out."""

from typing import Any, cast

import orjson

from bridge import portable
from bridge.model import Destination, Observation
from bridge.store.answers import from_plain, to_plain
from bridge.vault import Fingerprints, Vault


class Box:
    """Seals values to their place, and fingerprints what is only compared."""

    def __init__(self, vault: Vault, fingerprints: Fingerprints) -> None:
        self.vault, self.fingerprints = vault, fingerprints

    def seal(self, value: Any, place: str) -> bytes:
        return self.vault.seal(portable.encode(value), place)

    def open(self, sealed: bytes, place: str) -> Any:
        return orjson.loads(self.vault.open(sealed, place))

    def seal_destination(self, destination: Destination) -> bytes:
        return self.seal(
            {
                "url": destination.url,
                "host": destination.host,
                "headers": dict(destination.headers),
            },
            "destination",
        )

    def open_destination(self, sealed: bytes) -> Destination:
        return Destination(**self.open(sealed, "destination"))

    def seal_key(self, key: str | None) -> bytes | None:
        return None if key is None else self.seal(key, "credential")

    def open_key(self, sealed: bytes | None) -> str | None:
        return None if sealed is None else cast("str", self.open(sealed, "credential"))

    def seal_observation(self, seen: Observation) -> bytes:
        return self.seal(to_plain(seen), "answer")

    def open_observation(self, sealed: bytes) -> Observation:
        return from_plain(self.open(sealed, "answer"))
