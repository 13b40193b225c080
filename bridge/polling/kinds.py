"""What a node has seen and read of each kind of task, of a bounded number of kinds.

A kind is a provider and a model. A caller may invent labels without end: the most used have
a place each, the rest are one with all tasks of their provider.
"""

from collections.abc import Mapping

from bridge.cadence import History
from bridge.polling.labels import KEPT_S, Use, giving_way, is_label

Kind = tuple[str, str]  # a provider and a model
ALL = ""  # the model that stands for all of a provider's
MODELS = 64  # of one provider that are told apart, and as many labels of callers


class Kinds:
    """`histories` are what all nodes have seen, `news` what of ours is not in them yet."""

    def __init__(self) -> None:
        self.histories: dict[Kind, History] = {}
        self.news: dict[Kind, History] = {}
        self.forgotten: set[Kind] = set()  # until the database has forgotten them, too
        self._seen_at: dict[Kind, float] = {}  # when each was polled or told of last

    def admits(self, kind: Kind, now: float) -> bool:
        """Whether it has a place, which another may have given up for it."""
        if kind in self.histories or kind in self.news or kind[1] == ALL:
            return True
        like = self._like(kind)
        if len(like) < MODELS:
            return True
        model = giving_way({other[1]: self._use(other) for other in like}, now)
        if model is not None:
            self._forget((kind[0], model))
        return model is not None

    def seen(self, kind: Kind, now: float) -> History:
        """Where to add what is seen of it; it has a place."""
        self._seen_at[kind] = now
        self.forgotten.discard(kind)
        return self.news.setdefault(kind, History())

    def take(self, read: Mapping[Kind, History], now: float) -> None:
        """What all have seen; of those without a place here, the most used come first."""
        for kind in sorted(read, key=lambda one: read[one].count, reverse=True):
            known = kind in self.histories or kind in self.news or kind[1] == ALL
            if known or len(self._like(kind)) < MODELS:
                self.histories[kind] = read[kind]
                self._seen_at[kind] = max(self._seen_at.get(kind, 0.0), now)

    def prune(self, now: float) -> None:
        """Forget models that nobody has asked for in a month."""
        for kind, at in list(self._seen_at.items()):
            if kind[1] != ALL and at < now - KEPT_S:
                self._forget(kind)

    def _forget(self, kind: Kind) -> None:
        self.histories.pop(kind, None)
        self.news.pop(kind, None)
        self._seen_at.pop(kind, None)
        self.forgotten.add(kind)

    def _like(self, kind: Kind) -> list[Kind]:
        """Those of its sort: labels of callers take no place of what the provider names."""
        provider, model = kind
        return [
            (name, other)
            for name, other in {*self.histories, *self.news}
            if name == provider and other and is_label(other) == is_label(model)
        ]

    def _use(self, kind: Kind) -> Use:
        held = (self.histories.get(kind), self.news.get(kind))
        ends = sum(history.count for history in held if history)
        return Use(ends, self._seen_at.get(kind, 0.0))
