"""Steps of a start: what a process does with what it finds. Either way the five minutes
for a last answer (`upkeep.LAST_WORD_S`) count only while somebody is up to ask.
"""

from bridge.store import meta
from bridge.store.delivering import mark_lost
from bridge.store.steps import Step, ask

AWAY_S = 120.0  # since the time was noted, as it is each minute: nobody was up


def take_over(*, now: float) -> Step[int]:
    """From a former process, where no other serves from the database. What it had claimed
    and never recorded is due at once.
    """
    released = yield ask("release_claims", now=now)
    for row in released:
        yield from mark_lost(row["delivery_id"], now)
    for lane_id, retry in {(row["lane_id"], row["retry"]) for row in released}:
        yield ask("advance_retry" if retry else "advance_first", lane_id=lane_id, at=now)
    yield ask("reopen_deadlines")
    return len(released)


def join(*, now: float) -> Step[int]:
    """Others who may be at work. Their claims are theirs, and fall due by their leases
    should they be dead: none is released.
    """
    reached = yield from meta.read_time()
    if now - reached.at > AWAY_S:
        yield ask("reopen_deadlines")
    return 0
