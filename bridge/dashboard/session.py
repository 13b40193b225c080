"""Who has signed in: a cookie that says so, signed and without a secret in it.

The cookie names the API key by a keyed digest, which the configuration's encryption keys
make of it. So it opens nothing elsewhere, and is worth nothing once its key is taken out of
the configuration, nor once somebody has signed out with it. Before somebody signs in it
holds only the token of the form.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from itsdangerous import BadData, URLSafeSerializer
from starlette.requests import Request
from starlette.responses import Response

from bridge.api.auth import Caller, Doorkeeper, table_of
from bridge.api.deps import Derived
from bridge.api.hints import base_url
from bridge.config import Config
from bridge.errors import RequestError
from bridge.store import Store

COOKIE = "poll_bridge_dashboard"
COOKIE_CHARS = 512
SALT = "poll-bridge dashboard"
SCHEME = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
LIFE_S = 8 * 3_600.0


@dataclass(frozen=True, slots=True)
class Session:
    """`caller` None: nobody has signed in. `token` is in each of its forms. `until` is when
    it ends by itself.
    """

    token: str
    caller: Caller | None = None
    until: int = 0

    @property
    def name(self) -> str:
        """What is kept of it when it is ended."""
        return hashlib.sha256(self.token.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Keys:
    """What of a configuration makes and reads cookies."""

    signer: URLSafeSerializer
    names: Mapping[bytes, str]  # of an API key's digest, by the newest encryption key
    callers: Mapping[str, Caller]  # by such a name, of any encryption key


class Sessions:
    def __init__(
        self,
        config: Callable[[], Config],
        keeper: Doorkeeper,
        store: Store,
        wall: Callable[[], float],
        draw: Callable[[], str] = lambda: secrets.token_urlsafe(18),
    ) -> None:
        self._config, self._keeper, self._store = config, keeper, store
        self._wall, self._draw = wall, draw
        self._keys = Derived(config, keys_of)

    async def of(self, request: Request) -> Session | None:
        """None: there is no cookie, or none that is worth anything any more. Raises
        StoreUnavailable.
        """
        found = self._signed(request)
        if found is None or found.caller is None:
            return found
        ended = await self._store.signed_out(found.name, found.until)
        return None if ended else found

    def _signed(self, request: Request) -> Session | None:
        """By what the cookie says alone."""
        said = self._said(request.cookies.get(COOKIE, ""))
        if said is None:
            return None
        name, until = said.get("key"), said.get("until")
        if name is None:
            return Session(said["token"])
        known = self._keys().callers.get(name) if isinstance(name, str) else None
        if known is None or not isinstance(until, int) or until <= self._wall():
            return None
        try:
            return Session(said["token"], self._keeper.again(known), until)
        except RequestError:
            return None

    def _said(self, cookie: str) -> dict[str, Any] | None:
        if not 0 < len(cookie) <= COOKIE_CHARS:
            return None
        try:
            said = self._keys().signer.loads(cookie)
        except BadData:
            return None
        ours = isinstance(said, dict) and isinstance(said.get("token"), str)
        return said if ours else None

    def begin(self) -> Session:
        """Of somebody who has not signed in."""
        return Session(self._draw())

    def keep(self, response: Response, session: Session) -> None:
        """A new token is drawn for who signs in, so that no former one is good for it."""
        said: dict[str, Any] = {"token": session.token}
        if session.caller is not None:
            said["key"] = self._keys().names[session.caller.digest]
            said["until"] = int(self._wall() + LIFE_S)
        self._set(response, self._keys().signer.dumps(said), int(LIFE_S))

    async def end(self, session: Session, response: Response) -> None:
        """Also for who has copied the cookie. Raises StoreUnavailable."""
        await self._store.sign_out(session.name, session.until, now=self._wall())
        self._set(response, "", 0)

    def _set(self, response: Response, value: str | bytes, life_s: int) -> None:
        url = urlsplit(base_url(self._config()))
        response.set_cookie(
            COOKIE,
            value if isinstance(value, str) else value.decode(),
            max_age=life_s,
            path=f"{url.path}/dashboard",
            secure=url.scheme == "https",
            httponly=True,
            samesite="lax",  # or a link from a mail would sign out; forms have tokens
        )

    def check(self, session: Session, request: Request, token: Any) -> None:
        """Raises PermissionError unless the form is one that we gave to this session."""
        elsewhere = request.headers.get("sec-fetch-site", "none")
        ours = isinstance(token, str) and hmac.compare_digest(
            token.encode(), session.token.encode()
        )
        if not ours or elsewhere not in ("none", "same-origin"):
            raise PermissionError


def keys_of(config: Config) -> Keys:
    """The newest encryption key signs, older ones are still good."""
    keys = [key.get_secret_value() for key in config.encryption_keys]
    signer = URLSafeSerializer(list(reversed(keys)), salt=SALT, signer_kwargs=SCHEME)
    table = table_of(config)
    callers = {named(key, digest): who for key in keys for digest, who in table.items()}
    return Keys(signer, {digest: named(keys[0], digest) for digest in table}, callers)


def named(encryption_key: str, digest: bytes) -> str:
    return hmac.new(encryption_key.encode(), SALT.encode() + digest, "sha256").hexdigest()
