"""When a callback's host is left alone, because nobody answers there. Pure.

Its state is in the row of a lane (one client's deliveries to one host), where a pause costs
a claim nothing however many hosts are dead, where several nodes share it, and where a
restart finds it. It is of one client alone: whoever names dead URLs at a host that many
share keeps nobody else from it.

    closed     everything goes
    open       nothing goes until the rest is over; a rest that was not the last is longer
    half open  one attempt at a time tries; each that is answered lets one more go

What waits is not attempted and uses up nothing of its schedule. An answer is any that the
receiver gave itself: a 500 says something of one workflow and nothing of its host.
"""

from enum import StrEnum

from bridge.model import AttemptOutcome, Reply

OPEN_AFTER = 10  # attempts in a row without an answer
REST_S, REST_MOST_S = 2.0, 120.0  # before the first attempt that tries; doubles
SPREAD = 0.25  # of a rest, by dice: what broke together is not tried together
CLOSING = 2  # at a time, after the first answer
WHOLE = 16  # at a time with which a host is taken to be up

# So many attempts have tried in vain, for some hours at least, in which the bridge was up:
# only then does age alone give up what waits.
HOPELESS_AFTER = 100

NOBODY = frozenset(
    {
        AttemptOutcome.TIMEOUT,
        AttemptOutcome.RESET,
        AttemptOutcome.CONNECT_ERROR,
        AttemptOutcome.DNS_ERROR,
        AttemptOutcome.TLS_ERROR,
    }
)
NOBODY_BEHIND = frozenset({502, 503, 504})  # a proxy says that its server is not there


class Breaker(StrEnum):
    """What an attempt has made of its lane's."""

    OPENED = "opened"
    CLOSED = "closed"


def silent(reply: Reply) -> bool:
    """Whether nobody answered. False too for what says nothing of the host either way."""
    return reply.outcome in NOBODY or reply.http_status in NOBODY_BEHIND


def answered(reply: Reply) -> bool:
    """Whether the receiver itself spoke. False too for what says nothing of it."""
    return reply.http_status is not None and not silent(reply)


def rest_s(silences: int, dice: float) -> float:
    """Seconds until the next attempt tries, after so many in a row without an answer.

    >>> [rest_s(OPEN_AFTER + more, 0.0) for more in range(8)]
    [2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 120.0, 120.0]
    """
    doublings = min(max(silences - OPEN_AFTER, 0), 30)
    return min(REST_S * 2.0**doublings, REST_MOST_S) * (1 + SPREAD * dice)
