"""A step of another node that stands still inside its transaction, so that anything can
happen between two of its queries.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg

from bridge.store.steps import Database, Step, ask

T = TypeVar("T")

END = ""  # of the step: all is written, nothing committed

# By another of our statements. Of any test that runs now: whoever waits for it goes on, and
# finds what it finds.
BLOCKED = """SELECT pid FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND application_name = 'poll-bridge'
    AND datname = current_database()"""


@asynccontextmanager
async def held(
    database: Database,
    stop: str,
    step: Callable[..., Step[T]],
    /,
    *args: Any,
    **kwargs: Any,
) -> AsyncIterator["asyncio.Task[T]"]:
    """The step stands before the query `stop` while the block runs, and has ended after."""
    reached, go = asyncio.Event(), asyncio.Event()

    def stand() -> Step[None]:
        reached.set()
        while not go.is_set():
            yield ask("meta", name="a")

    async with asyncio.TaskGroup() as group:
        work = stopped(step, stop, stand)
        task = group.create_task(database.write(work, *args, **kwargs))
        await reached.wait()
        yield task
        go.set()


def stopped(
    step: Callable[..., Step[T]], stop: str, stand: Callable[[], Step[None]]
) -> Callable[..., Step[T]]:
    """The same step, which does what `stand` does before that query."""

    def run(*args: Any, **kwargs: Any) -> Step[T]:
        inner = step(*args, **kwargs)
        try:
            query = next(inner)
            while True:
                if query.name == stop:
                    yield from stand()
                query = inner.send((yield query))
        except StopIteration as end:
            if stop == END:
                yield from stand()
            result: T = end.value
            return result

    return run


async def done_or_blocked(task: "asyncio.Task[Any]", other: asyncpg.Connection) -> None:
    """Wait until the task has ended, or waits for a lock."""
    while not task.done() and not await other.fetchval(BLOCKED):
        pass
