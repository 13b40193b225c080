"""What becomes of a simulated task: which answers it gives at which age.

The magic task ids carry their own script: ``<word>[-<n>s]``, then any label after one of
``- _ . : #`` to make many of them: ``succeed-10s``, ``fail-0.5s-order17``, ``vanish``.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from operator import itemgetter
from types import MappingProxyType

from bridge.model import Status


class Fault(StrEnum):
    """A way to fail to say what became of a task. The first eight come with 200."""

    EMPTY = "empty"  # no body
    HTML = "html"  # the gateway's dashboard: what a wrong path gets
    TRUNCATED = "truncated"  # half of a good body
    NO_STATUS = "no_status"  # well-formed, but without the field that matters
    UNKNOWN_WORD = "unknown_word"
    FLIPPED = "flipped"  # the same task in another shape this host is known to use
    FOREIGN = "foreign"  # a good answer about another task
    HUGE = "huge"  # more bytes than anybody should read
    HANG = "hang"  # no answer until the caller gives up
    BROKEN = "broken"  # `http_status` 500 to 504 and the proxy's HTML page
    THROTTLED = "throttled"  # 429, with Retry-After if `retry_after_s` is given
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What the provider says of a task for a while."""

    status: Status = Status.QUEUED
    progress: int | None = None
    video: str | None = None  # a URL, or the name of a file the simulator serves
    last_frame: str | None = None  # likewise
    error_code: str = "OutputVideoSensitiveContentDetected"  # if it failed
    error_text: str = (
        "The request failed because the output video may contain sensitive information."
    )
    fault: Fault | None = None
    http_status: int = 502  # of Fault.BROKEN
    retry_after_s: int | None = None  # of Fault.THROTTLED
    delay_s: float = 0.0  # before the answer


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One task at one instant, as the simulated provider knows it."""

    task_id: str
    step: Step
    created_at: float
    started_at: float | None  # None: still queued
    updated_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A script: from each age on, a step; ages ascending, the first one 0."""

    phases: tuple[tuple[float, Step], ...]
    created_at: float | None = None  # None: when it is first asked about

    def __post_init__(self) -> None:
        ages = [age_s for age_s, _ in self.phases]
        if not ages or ages[0] != 0 or ages != sorted(ages):
            raise ValueError("phases must begin at age 0 and ascend")

    @property
    def settled_s(self) -> float:
        """The age from which nothing changes any more."""
        return self.phases[-1][0]

    def world(self, task_id: str, *, first_seen_at: float, now: float) -> World:
        """The task as it is `now`."""
        created_at = first_seen_at if self.created_at is None else self.created_at
        age_s = max(now - created_at, 0.0)
        since_s, step = self.phases[bisect_right(self.phases, age_s, key=itemgetter(0)) - 1]
        started_s = next(
            (age for age, step in self.phases if step.status != Status.QUEUED), age_s + 1
        )
        return World(
            task_id=task_id,
            step=step,
            created_at=created_at,
            started_at=created_at + started_s if started_s <= age_s else None,
            updated_at=created_at + since_s,
        )


NEVER_FOUND = Task(phases=((0.0, Step(fault=Fault.NOT_FOUND)),))


def course(end_s: float, end: Step) -> Task:
    """A usual life: queued, running with progress in tenths, and `end` at that age."""
    running = (
        (end_s * tenth / 10, Step(status=Status.RUNNING, progress=tenth * 10))
        for tenth in range(1, 10)
    )
    return Task(phases=((0.0, Step()), *running, (end_s, end)))


def magic(task_id: str) -> Task | None:
    """The script a magic task id asks for; None if it is no magic id.

    >>> [magic(task_id).settled_s for task_id in ("succeed-10s", "expire", "fail-0.5s#7")]
    [10.0, 5.0, 0.5]
    >>> magic("succeed-10m"), magic("video_69095b4c")
    (None, None)
    """
    match = _MAGIC.fullmatch(task_id)
    if match is None:
        return None
    usual_s, script = WORDS[match["word"]]
    return script(float(match["span"] or usual_s), _file_stem(task_id))


def advice(task_id: str) -> str | None:
    """How to write an id that begins like a magic one but is none.

    >>> advice("succeed-1m")
    'the time is in seconds, like succeed-60s'
    """
    match = _NEARLY.match(task_id)
    if match is None or magic(task_id):
        return None
    return f"the time is in seconds, like {match['word']}-60s"


def _file_stem(task_id: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", task_id)


def _success(stem: str) -> Step:
    return Step(
        status=Status.SUCCEEDED,
        progress=100,
        video=f"{stem}.mp4",
        last_frame=f"{stem}.png",
    )


def _succeed(end_s: float, stem: str) -> Task:
    return course(end_s, _success(stem))


def _no_url(end_s: float, _: str) -> Task:
    return course(end_s, Step(status=Status.SUCCEEDED, progress=100))


def _ending(status: Status) -> Callable[[float, str], Task]:
    def script(end_s: float, _: str) -> Task:
        return course(end_s, Step(status=status))

    return script


def _error(end_s: float, _: str) -> Task:
    """A failure that is nobody's verdict on the content."""
    code, text = "InternalServiceError", "The service met an internal error; try again."
    return course(end_s, Step(status=Status.FAILED, error_code=code, error_text=text))


def _vanish(end_s: float, _: str) -> Task:
    return course(end_s, Step(fault=Fault.NOT_FOUND))


def _missing(_: float, __: str) -> Task:
    return NEVER_FOUND


def _refuse(_: float, __: str) -> Task:
    return Task(phases=((0.0, Step(fault=Fault.UNAUTHORIZED)),))


def _throttle(end_s: float, stem: str) -> Task:
    return Task(
        phases=(
            (0.0, Step(fault=Fault.THROTTLED, retry_after_s=1)),
            (end_s / 2, Step(fault=Fault.THROTTLED)),
            (end_s, _success(stem)),
        )
    )


def _rubbish(end_s: float, stem: str) -> Task:
    share_s = end_s / (len(RUBBISH) + 1)
    odd = (
        (share_s * turn, Step(status=Status.RUNNING, fault=fault))
        for turn, fault in enumerate(RUBBISH, 1)
    )
    return Task(phases=((0.0, Step()), *odd, (end_s, _success(stem))))


# In the order a task goes through them; none may be taken for an end.
RUBBISH = (
    Fault.EMPTY,
    Fault.BROKEN,
    Fault.UNKNOWN_WORD,
    Fault.TRUNCATED,
    Fault.FLIPPED,
    Fault.HTML,
    Fault.FOREIGN,
    Fault.NO_STATUS,
)

# Each word's usual duration in seconds, and its script.
WORDS: Mapping[str, tuple[float, Callable[[float, str], Task]]] = MappingProxyType(
    {
        "succeed": (10.0, _succeed),
        "slow": (60.0, _succeed),
        "fail": (10.0, _ending(Status.FAILED)),
        "error": (10.0, _error),
        "expire": (5.0, _ending(Status.EXPIRED)),
        "cancel": (5.0, _ending(Status.CANCELLED)),
        "vanish": (5.0, _vanish),
        "missing": (0.0, _missing),
        "no-url": (5.0, _no_url),
        "rubbish": (5.0, _rubbish),
        "throttle": (5.0, _throttle),
        "refuse": (0.0, _refuse),
    }
)
# `succeed-10m` is a slip, so without a duration no label after `-` begins with a digit.
_MAGIC = re.compile(
    rf"(?P<word>{'|'.join(WORDS)})"
    r"(?:-(?P<span>[0-9]{1,6}(?:\.[0-9]{1,3})?)s(?:[-_.:#].*)?|-[^0-9].*|[_.:#].*)?",
    re.ASCII,
)
_NEARLY = re.compile(rf"(?P<word>{'|'.join(WORDS)})-[0-9]", re.ASCII)
