"""The trace that a subscription's life is part of, as W3C Trace Context has it.

Its ids are derived from the subscription's, never drawn. So each attempt, of whichever
node, names the same span as whoever writes that span down at its end. A caller that sent a
`traceparent` has its own trace go on. Pure.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

HEADER = "traceparent"
SAMPLED, RANDOM = 1, 2  # flags; what others there may be means nothing yet
NOTHING = frozenset("0")  # an id of zeros alone is none

_FORM = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Where the span of one subscription is. Ids are lower-case hexadecimal."""

    trace_id: str
    span_id: str
    parent_id: str | None  # of the caller's span; None: the trace is ours
    flags: int

    @property
    def sampled(self) -> bool:
        """Whether the span is to be written down: the caller decides, if there is one."""
        return bool(self.flags & SAMPLED)

    @property
    def header(self) -> str:
        """For whoever goes on with it, a receiver."""
        return written(self.trace_id, self.span_id, self.flags)


def accepted(values: Sequence[str]) -> str | None:
    """The `traceparent` of a request, of which `values` are those that were sent, in the
    form of version 00; None if it is not exactly one that can be read.

    >>> accepted(["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"])
    '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    >>> accepted(["00-00000000000000000000000000000000-b7ad6b7169203331-01"]) is None
    True
    """
    match = _FORM.fullmatch(values[0].strip(" \t")) if len(values) == 1 else None
    if match is None or match["version"] == "ff":
        return None
    if match["more"] and match["version"] == "00":
        return None
    if NOTHING in (set(match["trace"]), set(match["span"])):
        return None
    flags = int(match["flags"], 16) & (SAMPLED | RANDOM)
    return written(match["trace"], match["span"], flags)


def trace_of(subscription_id: str, given: str | None = None) -> Trace:
    """`given` is what `accepted` made of the caller's.

    >>> trace_of("sub_k3J9").header
    '00-220d1843caa5cdec084e92194d42e4c5-daac581818f23fab-01'
    """
    drawn = hashlib.sha256(f"trace of {subscription_id}".encode()).hexdigest()
    ours, span_id = drawn[:32], drawn[32:48]
    if given is None:
        return Trace(trace_id=ours, span_id=span_id, parent_id=None, flags=SAMPLED)
    _version, trace_id, parent_id, flags = given.split("-")
    return Trace(
        trace_id=trace_id, span_id=span_id, parent_id=parent_id, flags=int(flags, 16)
    )


def written(trace_id: str, span_id: str, flags: int) -> str:
    return f"00-{trace_id}-{span_id}-{flags:02x}"
