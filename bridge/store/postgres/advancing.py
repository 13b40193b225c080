"""What a step tells of lanes: that there is work in them earlier than they know.

It is told last in the transaction, in an order that is the same for all, so that of two who
tell of the same lanes neither waits for one who waits for it. And once more after the
commit: a claim that did not see the new work yet may have put the lane's time past it. A
claim tells after its own commit what it finds then, so one of the two sees both.
"""

from collections.abc import Mapping

from bridge.store.postgres.transaction import Answer
from bridge.store.steps import Query, Rows

PREFIX = "advance_"  # of the names of such queries


class Advances:
    """Those of one step, each once."""

    def __init__(self) -> None:
        self._queries: dict[tuple[object, ...], Query] = {}

    def held_back(self, answer: Answer) -> Answer:
        """Answers all but these, which are kept for `tell`."""

        async def take(query: Query) -> Rows:
            if not query.name.startswith(PREFIX):
                return await answer(query)
            assert isinstance(query.params, Mapping)  # noqa: S101 - of one lane
            params = query.params.items()
            ids = [value for name, value in params if name.endswith("_id")]
            self._queries[*ids, query.name, *params] = query
            return []

        return take

    def __bool__(self) -> bool:
        return bool(self._queries)

    async def tell(self, answer: Answer) -> None:
        """By lane, then by name."""
        for key in sorted(self._queries):
            await answer(self._queries[key])
