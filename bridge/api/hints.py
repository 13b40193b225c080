"""POST /hints/{token}: somebody says that a task has news, so ask about it now.

What he says decides nothing, and who calls does not matter: the provider is asked, and not
more often than its page allows. So the answer is the same whatever came of it.
"""

import hashlib
from collections.abc import Mapping

from itsdangerous import BadData, URLSafeSerializer
from starlette.requests import Request
from starlette.responses import Response

from bridge.api.deps import Deps, Derived
from bridge.cadence import PollPolicy
from bridge.config import Config
from bridge.errors import StoreUnavailable
from bridge.model import Subscription, SubscriptionState
from bridge.providers.provider import Provider

SALT = "poll-bridge hint"
TOKEN_CHARS = 256
AGAIN_S = 0.2  # between two looks of one hint at the database
REMEMBERED = 10_000  # tasks hinted at of late
SCHEME = {"key_derivation": "hmac", "digest_method": hashlib.sha256}


class Hints:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._signer = Derived(deps.config, signer_of)
        self._asked: dict[str, float] = {}  # when, by subscription

    def url(self, subscription: Subscription) -> str | None:
        """Where to say so, for who may give it away; None once the task is not polled."""
        if subscription.state is not SubscriptionState.ACTIVE:
            return None
        token = self._signer().dumps(subscription.id.removeprefix("sub_"))
        return f"{base_url(self._deps.config())}/hints/{token}"

    async def take(self, request: Request) -> Response:
        key = self._key(request.path_params["token"])
        now = self._deps.clock.now()
        if key is not None and self._is_new(key, now):
            try:
                if await self._deps.store.hint(key, self._least_s, now=now):
                    self._deps.wake_poller()
            except StoreUnavailable:
                pass  # it is polled anyway, only later
        return Response(status_code=204)

    def _key(self, token: str) -> str | None:
        if len(token) > TOKEN_CHARS:
            return None
        try:
            key = self._signer().loads(token)
        except BadData:
            return None
        return key if isinstance(key, str) else None

    def _is_new(self, key: str, now: float) -> bool:
        """A flood of one hint is not to reach the database."""
        if now - self._asked.get(key, now - AGAIN_S) < AGAIN_S:
            return False
        self._asked.pop(key, None)
        while len(self._asked) >= REMEMBERED:
            del self._asked[next(iter(self._asked))]
        self._asked[key] = now
        return True

    def _least_s(self, name: str) -> float:
        return least_s(self._deps.providers(), name)


def least_s(providers: Mapping[str, Provider], name: str) -> float:
    provider = providers.get(name)
    return (provider.policy if provider else PollPolicy()).min_s


def signer_of(config: Config) -> URLSafeSerializer:
    """The newest key signs, older ones are still good."""
    keys = [key.get_secret_value() for key in reversed(config.encryption_keys)]
    return URLSafeSerializer(keys, salt=SALT, signer_kwargs=SCHEME)


def base_url(config: Config) -> str:
    """How others reach this bridge."""
    if config.public_url:
        return str(config.public_url).rstrip("/")
    return config.listen.url
