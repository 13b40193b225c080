"""Who has signed out of the pages: known to every node, and forgotten in time."""

from bridge.store import Store
from tests.conftest import START

UNTIL = int(START) + 8 * 3_600


async def test_a_session_that_was_ended_is_ended(store: Store) -> None:
    await store.sign_out("one", UNTIL, now=START)
    await store.sign_out("one", UNTIL, now=START + 1)
    assert await store.signed_out("one", UNTIL)
    assert not await store.signed_out("other", UNTIL)


async def test_what_would_have_ended_by_itself_is_forgotten(store: Store) -> None:
    """At the next one: there are never more than were ended in the life of a session."""
    await store.sign_out("old", UNTIL, now=START)
    await store.sign_out("same", UNTIL + 2, now=START)
    await store.sign_out("new", UNTIL + 600, now=UNTIL + 1.0)
    assert not await store.signed_out("old", UNTIL)
    assert await store.signed_out("same", UNTIL + 2)
    assert await store.signed_out("new", UNTIL + 600)
