"""One simulated provider, without the HTTP: its tasks, its key, and what it was asked."""

from collections import deque
from dataclasses import dataclass

from bridge.model import Answer
from bridge.simulator.answers import answer
from bridge.simulator.parts import Site
from bridge.simulator.script import NEVER_FOUND, Fault, Step, Task, World, magic
from bridge.simulator.words import Dialect

REMEMBERED = 1_000_000


@dataclass(slots=True)
class Visits:
    """How often one task was asked about, and when first and last."""

    first_at: float
    last_at: float
    count: int = 0


class Mount:
    """What it tells depends on its tasks' scripts and the time given, on nothing else.

    A task that was not added is looked up among the magic ids, and else not found. It keeps
    account of its last `remembered` tasks and requests: a magic task asked about again
    after that many others begins anew.
    """

    def __init__(
        self, dialect: Dialect, *, key: str | None = None, remembered: int = REMEMBERED
    ) -> None:
        self.dialect, self.key = dialect, key
        self.visits: dict[str, Visits] = {}
        self.asked: deque[tuple[float, str]] = deque(maxlen=remembered)
        self.requests = self.in_flight = self.max_in_flight = 0
        self._tasks: dict[str, Task] = {}
        self._fault: Step | None = None
        self._fault_until: float | None = None

    def add(self, task_id: str, task: Task) -> None:
        """Give a task id its script, in place of any it had."""
        self._tasks[task_id] = task

    def set_fault(self, fault: Step | None, *, until: float | None = None) -> None:
        """Answer everything with `fault`, until then or until it is set to None."""
        self._fault, self._fault_until = fault, until

    def world(
        self,
        task_id: str,
        now: float,
        *,
        authorization: str | None = None,
        keyed: bool = True,
    ) -> World:
        """One question, counted. `keyed` False: this path wants no key."""
        first_seen_at = self._count(task_id, now)
        if self._fault is not None and (
            self._fault_until is None or now < self._fault_until
        ):
            task = Task(phases=((0.0, self._fault),))
        elif keyed and self.key is not None and authorization != f"Bearer {self.key}":
            task = Task(phases=((0.0, Step(fault=Fault.UNAUTHORIZED)),))
        else:
            task = self._tasks.get(task_id) or magic(task_id) or NEVER_FOUND
        return task.world(task_id, first_seen_at=first_seen_at, now=now)

    def answer(
        self, task_id: str, now: float, *, site: Site, authorization: str | None = None
    ) -> Answer:
        """The whole of one poll, for a caller in the same program."""
        world = self.world(task_id, now, authorization=authorization)
        return answer(self.dialect, world, site)

    def polls(self, task_id: str) -> int:
        seen = self.visits.get(task_id)
        return 0 if seen is None else seen.count

    def times(self, task_id: str) -> list[float]:
        """When the task was asked about, of the requests still remembered."""
        return [at for at, asked in self.asked if asked == task_id]

    def enter(self) -> None:
        """A request has come in over HTTP; `leave` when it is answered or gone."""
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def leave(self) -> None:
        self.in_flight -= 1

    def _count(self, task_id: str, now: float) -> float:
        seen = self.visits.get(task_id)
        if seen is None:
            if len(self.visits) == self.asked.maxlen:
                del self.visits[next(iter(self.visits))]
            seen = self.visits[task_id] = Visits(now, now)
        seen.count, seen.last_at = seen.count + 1, now
        self.requests += 1
        self.asked.append((now, task_id))
        return seen.first_at
