"""How a simulated receiver answers: a pure function of the path and what came before."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """One answer of a receiver."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay_s: float = 0.0
    lost: bool = False  # the connection breaks before the answer is sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What the receiver has had on this path before this request."""

    same_id: int = 0  # requests with the same webhook-id
    same_path: int = 0
    method: str = "POST"


def reaction(path: str, before: Before) -> Reaction:
    """The answer to a request on one of the receiver's own paths; 404 on any other.

    >>> [reaction("/flaky/2", Before(same_id=n)).status for n in range(4)]
    [500, 500, 200, 200]
    """
    match = _PATH.fullmatch(path)
    react = _REACTIONS.get(match["name"]) if match else None
    if match is None or react is None:
        return Reaction(status=404, body=b"no such receiver")
    return react(match["value"] or "0", before)


def accepted(status: int) -> bool:
    """Whether a sender must take this status for success."""
    return 200 <= status < 300


def _ok(_: str, __: Before) -> Reaction:
    return Reaction(body=b"ok")


def _flaky(times: str, before: Before) -> Reaction:
    if before.same_id < int(times):
        return Reaction(status=500, body=b"not this time")
    return Reaction(body=b"ok")


def _throttle(times: str, before: Before) -> Reaction:
    if before.same_id < int(times):
        return Reaction(status=429, headers={"retry-after": "1"})
    return Reaction(body=b"ok")


def _dead(_: str, __: Before) -> Reaction:
    return Reaction(status=503, body=b"out of order")


def _gone(_: str, __: Before) -> Reaction:
    return Reaction(status=410)


def _slow(seconds: str, _: Before) -> Reaction:
    return Reaction(body=b"ok", delay_s=float(seconds))


def _lost(times: str, before: Before) -> Reaction:
    return Reaction(lost=before.same_id < int(times), body=b"ok")


def _redirect(_: str, __: Before) -> Reaction:
    return Reaction(status=302, headers={"location": "/ok"})


def _n8n(execution: str, before: Before) -> Reaction:
    """A Wait node: still on its way to waiting, resumed once, then finished.

    The texts are those of n8n 1.123, its unbalanced quotation mark included.
    """
    if before.method != "POST":
        return _n8n_says(
            404, "does not contain a waiting webhook with a matching path/method"
        )
    if before.same_path == 0:
        return _n8n_says(409, f'The execution "{execution}" is running already.')
    if before.same_path == 1:
        return _n8n_says(200, "Workflow was started")
    return _n8n_says(409, f'The execution "{execution} has finished already.')


def _n8n_says(status: int, message: str) -> Reaction:
    said = {"message": message} if status == 200 else {"code": status, "message": message}
    headers = {"content-type": "application/json; charset=utf-8"}
    return Reaction(status=status, headers=headers, body=json.dumps(said).encode())


_PATH = re.compile(
    r"/(?P<name>[a-z0-9]+)(?:/(?P<value>[0-9]{1,9}(?:\.[0-9]{1,3})?))?", re.ASCII
)
_REACTIONS: Mapping[str, Callable[[str, Before], Reaction]] = MappingProxyType(
    {
        "ok": _ok,
        "flaky": _flaky,  # /flaky/{n}: 500 n times for each webhook-id
        "throttle": _throttle,  # /throttle/{n}: 429 with Retry-After, likewise
        "lost": _lost,  # /lost/{n}: the connection breaks n times, likewise
        "dead": _dead,
        "gone": _gone,
        "slow": _slow,  # /slow/{seconds}
        "redirect": _redirect,
        "n8n": _n8n,  # /n8n/{execution}: by path, whatever the webhook-id
    }
)
