"""A page and an answer → what one poll saw. Pure, and a match for anything a server sends.

Only one thing ends a task: a 2xx answer that is about this task and has, where the page
looks for the status, a word the page knows as an end.
"""

import math
import re
from dataclasses import dataclass, replace
from typing import Any

from bridge.model import Answer, Observation, PollOutcome, Status
from bridge.net.retry_after import retry_after_s
from bridge.providers.body import detail, is_bulky, line, parsed, raw
from bridge.providers.failure import task_error
from bridge.providers.fields import normal
from bridge.providers.lookup import Lookup, first, first_word, word
from bridge.providers.page import Page
from bridge.providers.refusal import foreign_task, no_answer, no_task, refusal
from bridge.providers.result import result_of
from bridge.providers.times import instant

WORD_CHARS, MODEL_CHARS = 64, 128
POLL_AFTER_DIGITS = 8  # milliseconds: up to a day

_PERCENT = re.compile(r"([0-9]{1,3})(?:\.[0-9]{0,9})?\s?%?", re.ASCII)


def observe(
    page: Page, answer: Answer, *, base_url: str, task_id: str, want_raw: bool, now: float
) -> Observation:
    """What `answer` says of the task. `now` is wall time. Never raises."""
    http = answer.http_status
    if http is None or answer.too_large or answer.failure is not None:
        return no_answer(answer)
    if is_bulky(answer.body):
        return no_answer(replace(answer, too_large=True))
    patience_s = _patience_s(answer, now)
    body = parsed(answer.body)
    if not 200 <= http < 300:
        return refusal(page, answer, body, http, patience_s)
    task, foreign = task_of(page, body, task_id)
    if foreign:
        return foreign_task(http, patience_s)
    said = first_word(page.answer.status, task, body)
    if said is None:
        return no_task(page, answer, body, http, patience_s)
    kept = raw(body, page.answer.private_keys) if want_raw else None
    return _Spoken(page, task, body, http, said, kept).meaning(
        base_url, task_id, now, patience_s
    )


def task_of(page: Page, body: Any, task_id: str) -> tuple[Any, bool]:
    """The object that describes our task, and whether the answer names another task.

    An object with our id is the one. Without ids, the first object is; the others are then
    not asked, lest an envelope's `status: success` be taken for the task's.
    """
    found: Any = None
    foreign = False
    for place in page.answer.task:
        candidate = place.find(body, body)
        if type(candidate) is not dict:
            continue
        ours, theirs = _whose(page, candidate, body, task_id)
        if ours:
            return candidate, False
        foreign = foreign or theirs
        found = candidate if found is None else found
    return found, foreign


def percent(value: Any) -> int | None:
    """
    >>> percent(50), percent("50%"), percent(49.9), percent(300), percent("soon")
    (50, 50, 49, 100, None)
    """
    if type(value) is int:
        return min(max(value, 0), 100)
    if type(value) is float and math.isfinite(value):
        return int(min(max(value, 0.0), 100.0))
    if type(value) is str and len(value) < 32:
        match = _PERCENT.fullmatch(value.strip())
        return min(int(match[1]), 100) if match else None
    return None


@dataclass(slots=True)
class _Spoken:
    """An answer that speaks of our task."""

    page: Page
    task: Any
    body: Any
    http: int
    word: str
    raw: Any

    def meaning(
        self, base_url: str, task_id: str, now: float, retry_after_s: float | None
    ) -> Observation:
        words = self.page.words.meaning
        status = words.get(self.word) or words.get(normal(self.word))
        if status is None or not status.terminal:
            return self.pending(status, retry_after_s)
        if status is Status.SUCCEEDED:
            return self.succeeded(base_url, task_id, now)
        return self.failed(status)

    def pending(self, status: Status | None, retry_after_s: float | None) -> Observation:
        """`status` None: a word no page knows. That is no end, whatever it sounds like."""
        reading, task, body = self.page.answer, self.task, self.body
        return Observation(
            outcome=PollOutcome.PENDING,
            status=status or Status.RUNNING,
            http_status=self.http,
            word=line(self.word, WORD_CHARS) if status is None else self.word,
            word_known=status is not None,
            progress=percent(first(reading.progress, task, body)),
            model=self._model(),
            submitted_at=self._instant(reading.submitted),
            detail=self._upstream_ended() if reading.upstream_status else None,
            retry_after_s=retry_after_s,
            raw=self.raw,
        )

    def succeeded(self, base_url: str, task_id: str, now: float) -> Observation:
        reading = self.page.answer
        finished_at = self._instant(reading.finished)
        result = result_of(
            self.page,
            self.task,
            self.body,
            base_url=base_url,
            task_id=task_id,
            finished_at=now if finished_at is None else min(finished_at, now),
        )
        return Observation(
            outcome=PollOutcome.ENDED,
            status=Status.SUCCEEDED,
            http_status=self.http,
            word=self.word,
            progress=100,
            result=result,
            model=self._model(),
            submitted_at=self._instant(reading.submitted),
            finished_at=finished_at,
            raw=self.raw,
        )

    def failed(self, status: Status) -> Observation:
        reading = self.page.answer
        return Observation(
            outcome=PollOutcome.ENDED,
            status=status,
            http_status=self.http,
            word=self.word,
            progress=percent(first(reading.progress, self.task, self.body)),
            error=task_error(self.page, status, self.task, self.body),
            model=self._model(),
            submitted_at=self._instant(reading.submitted),
            finished_at=self._instant(reading.finished),
            raw=self.raw,
        )

    def _model(self) -> str | None:
        name = first_word(self.page.answer.model, self.task, self.body)
        return (line(name, MODEL_CHARS) or None) if name else None

    def _instant(self, places: tuple[Lookup, ...]) -> float | None:
        for place in places:
            at = instant(place.find(self.task, self.body))
            if at is not None:
                return at
        return None

    def _upstream_ended(self) -> str | None:
        """Gateways may not know a word of their own provider and go on: "in progress"."""
        upstream = first_word(self.page.answer.upstream_status, self.task, self.body)
        status = self.page.words.meaning.get(normal(upstream)) if upstream else None
        if status is None or not status.terminal:
            return None
        return detail(f"the provider's own provider says {upstream!r}")


def _whose(page: Page, candidate: Any, body: Any, task_id: str) -> tuple[bool, bool]:
    """Whether an object carries our id, and whether it carries another."""
    theirs = False
    for place in page.answer.id:
        name = word(place.find(candidate, body))
        if name == task_id:
            return True, False
        theirs = theirs or name is not None
    return False, theirs


def _patience_s(answer: Answer, now: float) -> float | None:
    """How long the provider asks us to wait, by the header everybody uses or OpenAI's."""
    headers = answer.headers
    asked = retry_after_s(headers.get("retry-after"), now)
    millis = headers.get("openai-poll-after-ms")
    if millis is not None and millis.isdecimal() and len(millis) <= POLL_AFTER_DIGITS:
        return max(asked or 0.0, int(millis) / 1000)
    return asked
