"""Providers and signing secrets, as one client has them."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from bridge import signature
from bridge.api import query
from bridge.api.auth import Caller
from bridge.api.deps import Deps
from bridge.api.respond import Json
from bridge.api.views import time
from bridge.cadence import COUNT, EDGES, History, Plan
from bridge.errors import RequestError
from bridge.health import Pulse
from bridge.polling.labels import is_label
from bridge.providers.provider import Provider

FAINT = 0.001  # of a task: less has been forgotten

Credential = Mapping[str, Any]


class Accounts:
    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def providers(self, request: Request, caller: Caller) -> Response:
        query.read_query(request, {})
        return Json(await self.standings(caller))

    async def standings(self, caller: Caller) -> list[dict[str, Any]]:
        """All providers, as anybody may use them with a key of their own. How the
        configured key fares is told only to those who may use it.
        """
        found = sorted(self._deps.providers().values(), key=lambda each: each.name)
        names = [each.name for each in found]
        keys = await self._deps.store.configured_credentials(names)
        now = self._deps.clock.now()
        return [
            provider_view(
                each,
                granted=each.name in caller.grants,
                credential=keys.get(each.name),
                pulse=self._deps.pulse(each.name),
                now=now,
            )
            for each in found
        ]

    async def durations(self, request: Request, caller: Caller) -> Response:
        query.read_query(request, {})
        return Json({"items": self.learned(request.path_params["name"], caller)})

    def learned(self, name: str, caller: Caller) -> list[Mapping[str, Any]]:
        """How long a provider's tasks take, and how they are asked about. Of all clients
        together, and so only for who shares the configured key, and for operators. Raises
        RequestError.
        """
        if name not in self._deps.providers():
            raise RequestError("not_found", "there is no such provider; see /providers")
        if name not in caller.grants and not caller.operator:
            raise RequestError("provider_not_granted", "its configured key is not yours")
        found = [
            each
            for each in self._deps.learned(name)
            if caller.operator or not is_label(each[0])  # what others call it is theirs
        ]
        return [durations_view(*each) for each in found]

    async def signing_secrets(self, request: Request, caller: Caller) -> Response:
        """The caller's own, an operator's too."""
        query.read_query(request, {})
        found = [each.get_secret_value() for each in caller.settings.signing_secrets]
        return Json([{"secret": each, "text": signature.text_of(each)} for each in found])


def durations_view(model: str, history: History, plan: Plan) -> Mapping[str, Any]:
    """`ages` are those at which tasks were seen to end, with their neighbours."""
    tasks = history.tasks or 1.0
    seen = [index for index, ends in enumerate(history.ends) if ends > FAINT]
    shown = range(max(seen[0] - 2, 0), min(seen[-1] + 3, COUNT)) if seen else range(0)
    return {
        "model": model or None,
        "tasks": round(history.tasks, 1),
        "trust": round(plan.trust, 3),
        "ages": [
            {
                "until_s": round(EDGES[index + 1], 2),
                "ended": round(history.ends[index] / tasks, 5),
                "gap_s": round(1 / plan.density(EDGES[index]), 2),
            }
            for index in shown
        ],
    }


def provider_view(
    provider: Provider,
    *,
    granted: bool,
    credential: Credential | None,
    pulse: Pulse,
    now: float,
) -> dict[str, Any]:
    has_key = granted and provider.key is not None
    usable = has_key or (granted and provider.page.auth is None)
    known = credential if usable else None
    state, since = state_of(known, pulse, now)
    last_ok_at = pulse.last_ok_at if usable else None
    if known is not None and last_ok_at is None:
        last_ok_at = known["worked_at"]
    return {
        "name": provider.name,
        "preset": provider.preset,
        "has_key": has_key,
        "state": state,
        "since": time(since),
        "last_ok_at": time(last_ok_at),
    }


def state_of(
    credential: Credential | None, pulse: Pulse, now: float
) -> tuple[str, float | None]:
    """The state and since when; what is not known to be wrong is ok.

    A refusal counts once it is confirmed: some gateways answer 401 when they mean 503.
    """
    if credential is not None and credential["probes"]:
        return "key_refused", credential["refused_at"]
    if (
        credential is not None
        and credential["throttles"]
        and credential["paused_until"] > now
    ):
        return "throttled", credential.get("throttled_at")
    if pulse.down_since is not None:
        return "down", pulse.down_since
    return "ok", None
