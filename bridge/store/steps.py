"""A step: what one method of the store does to the database, without the database.

A step is a generator. It yields queries by name and is sent their rows; its return value
is the step's result. A driver runs it inside a transaction: SQLite a batch of steps in one
hop to its thread, with one sync to disk for all; a networked database by awaiting each
query. So the logic is written once and no driver knows it.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, NamedTuple, ParamSpec, Protocol, TypeVar

import aiosql
import orjson

P = ParamSpec("P")
T = TypeVar("T")


class Row(Protocol):
    def __getitem__(self, column: str, /) -> Any: ...


class Query(NamedTuple):
    """One query of queries.sql. A list of parameters runs it for each, without rows."""

    name: str
    params: Mapping[str, Any] | Sequence[Mapping[str, Any]]


Rows = Sequence[Row]
Step = Generator[Query, Rows, T]


class Database(Protocol):
    """What the store asks of a driver.

    `shared`: several nodes may use it at a time. `at_once`: so many writes are worth being
    asked for together; more of them only wait for each other.
    """

    shared: bool
    at_once: int

    async def write(
        self, step: Callable[P, Step[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a step in a transaction and return once its effect is on disk. It may be
        begun anew, after it was undone, where others were in its way.

        It is queued before anything is awaited: what is asked later finds it done.
        An exception that the step raises undoes that step alone and is raised here.
        Raises StoreUnavailable, with nothing written, if the database did not commit.
        """

    async def read(
        self, step: Callable[P, Step[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a step, which changes nothing, on a consistent snapshot."""

    async def scan(
        self, step: Callable[P, Step[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """As `read`, where it may take long: other reads do not wait for it."""

    async def time(self) -> float:
        """Unix seconds by the clock of a shared database; ours if it has none."""

    async def synced(self) -> bool:
        """Whether every connection waits for the disk before it reports a commit."""

    async def close(self) -> None: ...


def ask(query: str, /, **params: Any) -> Query:
    return Query(query, params)


def keys_of(several: Iterable[object]) -> str:
    """As the keys of a JSON object, which both databases read by the same name."""
    keys = {str(each): 0 for each in several}
    return orjson.dumps(keys, option=orjson.OPT_SORT_KEYS).decode()


@cache
def statements() -> Mapping[str, str]:
    """The text of each query of queries.sql, by name. Read once, for it takes long."""
    text = resources.files("bridge.store").joinpath("queries.sql").read_text("utf-8")
    queries = aiosql.from_str(text, "aiosqlite")
    names = (name for name in queries.available_queries if not name.endswith("_cursor"))
    return {name: getattr(queries, name).sql for name in names}
