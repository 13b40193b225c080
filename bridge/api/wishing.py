"""A body → a `Wish`: what needs the configuration to be judged."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from bridge import duration, formats
from bridge.api.auth import Caller
from bridge.api.credential import given_key, own_key
from bridge.api.faults import SHOWN, read_model
from bridge.api.models import SubscribeBody
from bridge.api.problem import refusal
from bridge.api.target import destination_of
from bridge.api.way import format_of, method_of, way_faults, with_robot
from bridge.cadence import PollPolicy
from bridge.errors import FieldFault, RequestError
from bridge.model import Destination, Wish
from bridge.providers.provider import Provider
from bridge.providers.request import check_task, with_defaults

# From a provider and a model to the seconds until such a task is first asked about.
FirstPoll = Callable[[str, str | None], float]

NAMES_SHOWN = 20
LONGEST_DEADLINE_S = 30 * 86_400.0


class Faults:
    """Collects all that is wrong with one request, to say it at once."""

    def __init__(self, found: Iterable[FieldFault], wrong: Iterable[str]) -> None:
        self._found, self._wrong = list(found), set(wrong)
        self._codes = {"invalid_request"} if self._found else set()

    def add(self, faults: Iterable[FieldFault], code: str = "invalid_request") -> None:
        """Those of fields that are known to be wrong would only confuse."""
        for fault in faults:
            if fault.field.split(".")[0] not in self._wrong:
                self._found.append(fault)
                self._codes.add(code)

    def raise_any(self) -> None:
        if self._found:
            [code, *others] = sorted(self._codes)
            raise refusal(self._found, "invalid_request" if others else code)


def wish_of(
    given: Mapping[str, Any],
    key_in_header: str | None,
    caller: Caller,
    providers: Mapping[str, Provider],
    *,
    https_only: bool,
    first_s: FirstPoll,
) -> Wish:
    """Raises RequestError with everything that is wrong."""
    body, found, wrong = read_model(SubscribeBody, given)
    faults = Faults(found, wrong)
    faults.add([*way_faults(body), *query_faults(body)])
    provider = providers.get(body.provider)
    destination: Destination | None = None
    key: str | None = None
    try:
        destination = destination_of(
            body.callback_url, body.headers, caller, https_only=https_only
        )
    except RequestError as error:
        faults.add(error.errors)
    destination = destination and with_robot(destination, body)
    if provider is None:
        faults.add([unknown_provider(body.provider, providers)], "unknown_provider")
    else:
        faults.add(check_task(provider.page, body.task_id, body.params))
        faults.add(deadline_faults(body.deadline, provider.policy))
        try:
            key = own_key(provider, given_key(body.provider_api_key, key_in_header), caller)
        except RequestError as error:
            faults.add(error.errors, error.code)
    faults.raise_any()
    assert provider is not None  # noqa: S101 - it would be a fault
    first_poll_s = first_s(provider.name, body.model)
    return made(body, provider, destination, key, caller, first_poll_s=first_poll_s)


def made(
    body: SubscribeBody,
    provider: Provider,
    destination: Destination | None,
    key: str | None,
    caller: Caller,
    *,
    first_poll_s: float,
) -> Wish:
    policy = provider.policy
    params = with_defaults(provider.page, body.params)
    return Wish(
        client=caller.name,
        provider=provider.name,
        task_id=body.task_id,
        params=params,
        provider_key=key,
        destination=destination,
        events=body.events,
        metadata=body.metadata,
        method=method_of(body),
        format=format_of(body),
        signing_secrets=body.signing_secret,
        include_raw=body.include_raw,
        model=body.model,
        deadline_s=policy.deadline_s if body.deadline is None else body.deadline,
        first_poll_s=first_poll_s,
        canonical=canonical(body, params, destination, key),
    )


def canonical(
    body: SubscribeBody,
    params: Mapping[str, str],
    destination: Destination | None,
    key: str | None,
) -> bytes:
    """What was asked for, in one spelling: equal for two requests that mean the same."""
    asked: dict[str, Any] = {
        "provider": body.provider,
        "task_id": body.task_id,
        "params": params,
        "key": key,
        "url": destination and destination.url,
        "headers": body.headers,
        "events": body.events,
        "metadata": body.metadata,
        "model": body.model,
        "deadline": body.deadline,
        "format": format_of(body),
        "method": method_of(body),
        "signing_secrets": body.signing_secret,
        "include_raw": body.include_raw,
    }
    if body.robot:
        asked["robot"] = body.robot
    return orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)


def query_faults(body: SubscribeBody) -> list[FieldFault]:
    """Servers refuse long URLs, so metadata that makes one would never be delivered."""
    if method_of(body) != "GET" or formats.metadata_fits(body.metadata):
        return []
    message = (
        f"is longer than {formats.METADATA_MOST:,} characters as it stands in the URL; "
        "shorten it, or use method POST"
    )
    return [FieldFault("metadata", message)]


def unknown_provider(name: str, providers: Mapping[str, Provider]) -> FieldFault:
    if not providers:
        return FieldFault("provider", "no provider is configured")
    near = difflib.get_close_matches(name[:SHOWN].lower(), providers, n=1)
    names = ", ".join(sorted(providers)[:NAMES_SHOWN])
    meant = f"did you mean {near[0]}? " if near else ""
    return FieldFault("provider", f"there is none of this name; {meant}known: {names}")


def deadline_faults(given: float | None, policy: PollPolicy) -> list[FieldFault]:
    """A provider forgets ended tasks: what we would wait for longer is never told."""
    longest_s = max(min(policy.retention_s, LONGEST_DEADLINE_S), policy.deadline_s)
    if given is None or given <= longest_s:
        return []
    return [
        FieldFault("deadline", f"at most {duration.text(longest_s)} with this provider")
    ]
