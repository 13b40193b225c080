"""Steps of learning how long tasks take."""

from collections.abc import Collection, Mapping

import orjson

from bridge.cadence import History
from bridge.portable import storable
from bridge.store.steps import Step, ask

Kind = tuple[str, str]  # a provider, and a model or '' for all of its tasks


def learn(news: Mapping[Kind, History], *, now: float) -> Step[None]:
    """Rows in one order, so that two nodes never wait for each other."""
    for provider, model in sorted(news):
        place = {"provider": provider, "model": storable(model)}
        empty = written(History())
        yield ask("add_durations", history=empty, now=now, **place)
        [row] = yield ask("known_durations", **place)
        history = History.read(orjson.loads(row["history"]))
        history.add(news[provider, model])
        yield ask("set_durations", history=written(history), now=now, **place)


def read(*, since: float) -> Step[dict[Kind, History]]:
    rows = yield ask("new_durations", since=since)
    return {
        (row["provider"], row["model"]): History.read(orjson.loads(row["history"]))
        for row in rows
    }


def forget(kinds: Collection[Kind], *, before: float) -> Step[None]:
    """These, and models that nobody was asked about since."""
    for provider, model in sorted(kinds):
        yield ask("drop_durations", provider=provider, model=storable(model))
    yield ask("prune_durations", before=before)


def written(history: History) -> str:
    return orjson.dumps(history.written()).decode()
