"""Steps of sessions that were ended before their time: a cookie may have been copied.

A name tells by itself when it may be forgotten, and each that is added forgets those: there
are never more than were ended within the life of one session.
"""

from bridge.store.steps import Step, ask

SIGNED_OUT = "signed_out:"


def sign_out(session: str, until: int, *, now: float) -> Step[None]:
    """`until`: when it would have ended by itself."""
    yield ask("forget_meta", first=SIGNED_OUT, last=named("", int(now)))
    yield ask("add_meta", name=named(session, until), value=b"")


def signed_out(session: str, until: int) -> Step[bool]:
    return bool((yield ask("meta", name=named(session, until))))


def named(session: str, until: int) -> str:
    """
    >>> named("abc", 1_800_000_000)
    'signed_out:001800000000:abc'
    """
    return f"{SIGNED_OUT}{until:012}:{session}"
