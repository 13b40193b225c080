"""An API key → who calls.

Keys are compared as SHA-256 digests: the table that is searched holds nothing that opens
a door, and how long a search takes tells nothing about a key.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.requests import Request

from bridge.api.deps import Derived
from bridge.config import Client, Config, Role
from bridge.errors import RequestError


@dataclass(frozen=True, slots=True)
class Caller:
    """A client that has proven itself."""

    name: str
    settings: Client = field(repr=False)
    grants: frozenset[str]  # providers whose configured keys it may use
    digest: bytes = field(repr=False)  # of the API key it came with

    @property
    def operator(self) -> bool:
        return self.settings.role is Role.OPERATOR

    @property
    def scope(self) -> str | None:
        """Whose things it sees; None: everybody's."""
        return None if self.operator else self.name


Table = Mapping[bytes, Caller]


class Doorkeeper:
    """Knows the callers by their keys."""

    def __init__(self, config: Callable[[], Config]) -> None:
        self._table = Derived(config, table_of)

    def caller(self, request: Request) -> Caller:
        """Raises RequestError `unauthorized`, saying what is wrong with the header."""
        return self._known(hashlib.sha256(key_of(request)).digest())

    def who(self, key: str) -> Caller:
        """Whose API key that is. Raises RequestError `unauthorized`."""
        return self._known(hashlib.sha256(key.encode()).digest())

    def again(self, caller: Caller) -> Caller:
        """The caller as it would be if it came now. Raises RequestError `unauthorized`."""
        return self._known(caller.digest)

    def _known(self, digest: bytes) -> Caller:
        known = self._table().get(digest)
        if known is None or not hmac.compare_digest(known.digest, digest):
            raise RequestError("unauthorized", "this API key is not known here")
        return known


def table_of(config: Config) -> Table:
    table: dict[bytes, Caller] = {}
    for name, client in config.clients.items():
        grants = config.granted(name)
        for key in client.api_keys:
            digest = hashlib.sha256(key.get_secret_value().encode()).digest()
            table[digest] = Caller(name, client, grants, digest)
    return table


def key_of(request: Request) -> bytes:
    """The key that was sent. A proxy may have put credentials of its own into
    `Authorization`, so that `X-API-Key` counts beside any scheme but Bearer.
    """
    authorization = request.headers.get("authorization", "")
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip().encode()
    if key := request.headers.get("x-api-key", "").strip():
        return key.encode()
    if authorization:
        raise RequestError(
            "unauthorized", "write the header as `Authorization: Bearer <api key>`"
        )
    raise RequestError(
        "unauthorized",
        "send your API key as `Authorization: Bearer <api key>` or as `X-API-Key`",
    )
