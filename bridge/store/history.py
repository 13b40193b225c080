"""What polls have seen of a task before its end: lines of text beside it.

A line is `time outcome status`, with `-` for a status that the provider did not give. The
first poll writes one, and each that comes to something else; the end has its own place.
"""

from dataclasses import dataclass

from bridge.model import Observation, PollOutcome, Status

MOST = 1_000  # characters: one that keeps changing is not written down for ever


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    at: float
    outcome: PollOutcome
    status: Status | None


def line(seen: Observation, now: float) -> str:
    return f"{now:.3f} {seen.outcome.value} {seen.status.value if seen.status else '-'}\n"


def lines(text: str | None, since: float) -> list[Seen]:
    """Those of `since` or later, oldest first.

    >>> [one.status.value for one in lines("1 pending queued\\n9 pending running\\n", 2)]
    ['running']
    """
    found = []
    for each in (text or "").splitlines():
        at, outcome, status = each.split(" ")
        if float(at) >= since:
            found.append(
                Seen(
                    at=float(at),
                    outcome=PollOutcome(outcome),
                    status=None if status == "-" else Status(status),
                )
            )
    return found
