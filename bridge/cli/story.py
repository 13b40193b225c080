"""What became of a subscription or a delivery → the lines of its timeline. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bridge import rfc3339

GOOD, BAD, BUSY, QUIET = "green", "red", "yellow", "dim"
STYLES = {
    **dict.fromkeys(("succeeded", "accepted", "presumed"), GOOD),
    **dict.fromkeys(("failed", "exhausted", "gone", "unreachable"), BAD),
    **dict.fromkeys(("stopped", "superseded", "filtered", "none"), QUIET),
}
ANSWER_CHARS = 200  # of what a receiver answered

Told = Mapping[str, Any]


class Line(NamedTuple):
    """`at`: RFC 3339, or None where it goes with the line above. `depth`: below which."""

    at: str | None
    text: str
    style: str = ""
    depth: int = 0


def told_of(timeline: Told) -> Iterator[Line]:
    """The story of a subscription, as `GET /subscriptions/{id}/timeline` has it."""
    it = timeline["subscription"]
    to = f"calls {it['callback_url']} on" if it["callback_url"] else "watches only; told of"
    yield Line(it["created_at"], "subscribed")
    yield Line(None, f"{to} {', '.join(it['events'])}", QUIET, 1)
    yield from polls_of(timeline, it)
    yield from end_of(it)
    for delivery in timeline["deliveries"]:
        yield from delivery_of(delivery)
    if it["state"] == "active":
        yield Line(it["deadline_at"], "will be given up, without an end before", QUIET)
    if timeline["cut"]:
        yield Line(None, "there is more: the newest are shown", QUIET)


def polls_of(timeline: Told, it: Told) -> Iterator[Line]:
    for each in timeline["changes"]:
        yield Line(each["at"], f"seen: {each['status'] or each['outcome']}")
    for each in timeline["updates"]:
        yield Line(each["at"], f"told: {step_of(each)}", BUSY)
    last = it["last_poll"]
    if last is not None:
        tone = "" if last["outcome"] in ("pending", "ended") else BAD
        said = came_to(last, timeline["polls"])
        yield Line(last["at"], f"polled {times(timeline['polls'])}: {said}", tone)
        if last["detail"]:
            yield Line(None, last["detail"], "", 1)
        if it["status"]:
            yield Line(None, f"the provider says: {step_of(it)}", "", 1)
    if it["next_poll_at"]:
        yield Line(it["next_poll_at"], "next poll", QUIET)


def came_to(last: Told, polls: int) -> str:
    """Of so many polls.

    >>> last = {"outcome": "auth", "http_status": 401, "count": 1, "since": ""}
    >>> came_to(last, 2), came_to(last, 1)
    ('the last: auth, HTTP 401', 'auth, HTTP 401')
    """
    count, status = last["count"], last["http_status"]
    several = f"the last {count:,}: " if count > 1 else "the last: "
    since = f", since {short(last['since'])}" if count > 1 else ""
    what = f"{last['outcome']}{f', HTTP {status}' if status else ''}{since}"
    return several + what if polls > 1 else what


def short(at: str) -> str:
    """
    >>> short("2026-11-25T12:00:00.250Z")
    '2026-11-25 12:00:00Z'
    """
    return f"{at[:19].replace('T', ' ')}Z"


def end_of(it: Told) -> Iterator[Line]:
    if it["state"] == "stopped":
        yield Line(None, "stopped: nothing more is polled or sent", QUIET)
    if it["state"] != "ended":
        return
    after = rfc3339.unix(it["ended_at"]) - rfc3339.unix(it["created_at"])
    word = it["outcome"]
    yield Line(
        it["ended_at"], f"ended: {word}, after {after:.1f} s", STYLES.get(word, BUSY)
    )
    result, error = it["result"], it["error"]
    if result:
        link = result["url"] or f"no link: {result['url_missing_reason']}"
        yield Line(None, link, "bold", 1)
    if error:
        code = error["provider_code"]
        yield Line(None, f"{error['message']}{f' ({code})' if code else ''}", "", 1)
        yield from hint_of(error, 1)


def delivery_of(it: Told) -> Iterator[Line]:
    """One delivery, and each of its attempts."""
    state, by_hook = it["state"], " of a hook" if it["hook_id"] else ""
    text = f"delivery{by_hook} of {it['type']} to {it['host']}: {state}"
    yield Line(it["created_at"], text, STYLES.get(state, BUSY))
    yield Line(None, it["id"], QUIET, 1)
    hints = [each["hint"] for each in it["attempts"]]
    for number, attempt in enumerate(it["attempts"]):
        # The same word of advice stands once, below the last attempt it is for.
        yield from attempt_of(attempt, again=hints[number] in hints[number + 1 :])
    if it["hint"] and it["hint"] not in hints:
        yield from hint_of(it, 1)
    if it["next_attempt_at"]:
        yield Line(it["next_attempt_at"], "next attempt", QUIET, 1)
    if it["given_up_at"]:
        yield Line(it["given_up_at"], "given up", BAD, 1)


def attempt_of(it: Told, *, again: bool) -> Iterator[Line]:
    by_hand = " by hand" if it["manual"] else ""
    status = f" HTTP {it['http_status']}" if it["http_status"] else ""
    text = f"attempt {it['number']}{by_hand}: {it['outcome']}{status}{took(it)}"
    yield Line(it["started_at"], text, STYLES.get(it["outcome"], BUSY), 1)
    if it["detail"] and it["detail"] != str(it["http_status"]):
        yield Line(None, it["detail"], "", 2)
    if it["answer"]:
        answer = it["answer"].strip()
        more = "…" if len(answer) > ANSWER_CHARS else ""
        yield Line(None, f"it answered: {answer[:ANSWER_CHARS]}{more}", "", 2)
    if not again:
        yield from hint_of(it, 2)


def hint_of(it: Told, depth: int) -> Iterator[Line]:
    if it["hint"]:
        yield Line(None, f"→ {it['hint']}", "bold", depth)


def took(attempt: Told) -> str:
    if attempt["finished_at"] is None:
        return ""
    started, finished = attempt["started_at"], attempt["finished_at"]
    return f" in {rfc3339.unix(finished) - rfc3339.unix(started):.3f} s"


def step_of(it: Told) -> str:
    """
    >>> step_of({"status": "running", "progress": 40})
    'running 40 %'
    """
    done = "" if it["progress"] is None else f" {it['progress']} %"
    return f"{it['status'] or 'no status'}{done}"


def times(count: int) -> str:
    """
    >>> times(1), times(7)
    ('once', '7 times')
    """
    return "once" if count == 1 else f"{count:,} times"


def laid_out(lines: Sequence[Line]) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """Each line as its time and its text, with their styles.

    >>> list(laid_out([Line("2026-11-25T12:00:00.25Z", "ended", "green", 1)]))
    [(('2026-11-25 12:00:00Z', 'dim'), ('  ended', 'green'))]
    """
    for line in lines:
        at = short(line.at) if line.at else ""
        yield (at.ljust(20), "dim"), (f"{'  ' * line.depth}{line.text}", line.style)
