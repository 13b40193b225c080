"""An event, or several, in a few lines for people: what ended, how, and where it is.

What comes from providers and callers is one line each, whatever they wrote.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bridge.formats.letters import Size, clean, cut

NAMED = 5  # events of a digest that are named
METADATA_SHOWN = 8
_ID, _VALUE, _MESSAGE = 256, 120, 500  # letters

_ENDS = {
    "task.succeeded": ("✅", "succeeded", "succeeded"),
    "task.failed": ("❌", "failed", "failed"),
    "task.cancelled": ("🚫", "was cancelled", "cancelled"),
    "task.expired": ("⌛", "expired", "expired"),
    "task.timed_out": ("⏰", "timed out", "timed out"),
    "task.unreachable": ("❓", "cannot be followed", "unreachable"),
}
_UPDATE = "task.updated"
_NO_LINK = {
    "needs_provider_key": "Its link opens only with the key of the provider.",
    "inline_data": "The provider sent the bytes themselves: fetch them there.",
    "not_in_answer": "The provider gave no link: fetch it there.",
}

Event = Mapping[str, Any]


class Line(NamedTuple):
    """`instead` stands for a line that must not be cut, such as a link."""

    text: str
    instead: str | None = None


def page(lines: Sequence[Line], most: int, size: Size) -> str:
    """As many of `lines` as fit, the last one cut; the first ones matter most."""
    kept = ""
    for text, instead in lines:
        longer = f"{kept}\n{text}" if kept else text
        if instead is not None and size(longer) > most:
            longer = f"{kept}\n{instead}" if kept else instead
        if size(longer) > most:
            shortened = cut(longer, most, size)
            # Less than a few letters of it says nothing, and might eat what stands before.
            return shortened if len(shortened) > len(kept) + 4 else kept
        kept = longer
    return kept


def lines_of(event: Event) -> list[Line]:
    data = event["data"]
    lines = [Line(headline(event))]
    if not _of_task(event):
        return [*lines, *_facts(data)]
    lines += _result(data)
    lines += _error(data["error"] or {})
    return [*lines, *_facts(data["metadata"])]


def headline(event: Event) -> str:
    """
    >>> data = {"provider": "amux", "task_id": "abcd", "status": "running", "progress": 40}
    >>> headline({"type": "task.updated", "test": False, "data": data})
    '⏳ amux task abcd is running, 40 %'
    """
    data, type_ = event["data"], event["type"]
    test = "Test: " if event["test"] else ""
    if not _of_task(event):
        return f"🔔 {test}{clean(type_, _VALUE)}"
    task = clean(f"{data['provider']} task {data['task_id']}", _ID)
    if type_ in _ENDS:
        mark, words, _ = _ENDS[type_]
        return f"{mark} {test}{task} {words}"
    progress = "" if data["progress"] is None else f", {data['progress']} %"
    return f"⏳ {test}{task} is {data['status'] or 'waiting'}{progress}"


def _of_task(event: Event) -> bool:
    return event["type"] in _ENDS or event["type"] == _UPDATE


def digest(events: Sequence[Event]) -> list[Line]:
    """What several events are together, and the first few of them by name."""
    lines = [Line(_count(events))]
    for event in events[:NAMED]:
        words = headline(event)
        if url := _url(event["data"]):
            lines.append(Line(f"{words} {url}", instead=words))
        elif code := (event["data"].get("error") or {}).get("code"):
            lines.append(Line(f"{words}: {clean(code, _VALUE)}"))
        else:
            lines.append(Line(words))
    if len(events) > NAMED:
        lines.append(Line(f"… and {len(events) - NAMED} more"))
    return lines


def _count(events: Sequence[Event]) -> str:
    types = Counter(event["type"] for event in events)
    ended = {words: types[type_] for type_, (_, _, words) in _ENDS.items() if types[type_]}
    parts: list[str] = []
    if total := sum(ended.values()):
        how = ", ".join(f"{count} {words}" for words, count in ended.items())
        parts.append(f"{_counted(total, _noun(events))} finished: {how}")
    if types[_UPDATE]:
        parts.append(_counted(types[_UPDATE], "update"))
    if others := len(events) - total - types[_UPDATE]:
        parts.append(_counted(others, "notice"))
    return "; ".join(parts)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _noun(events: Sequence[Event]) -> str:
    results = [event["data"].get("result") or {} for event in events]
    kinds = {file["kind"] for each in results for file in each.get("files", ())[:1]}
    return "video" if kinds == {"video"} else "task"


def _url(data: Mapping[str, Any]) -> str | None:
    """A link that people can open: none with anything in it but a link."""
    url = (data.get("result") or {}).get("url")
    return url if isinstance(url, str) and url.isprintable() and " " not in url else None


def _result(data: Mapping[str, Any]) -> list[Line]:
    if url := _url(data):
        instead = f"Its link is too long for a message: it is in {data['subscription_id']}."
        return [Line(url, instead)]
    missing = (data["result"] or {}).get("url_missing_reason")
    return [Line(_NO_LINK[missing])] if missing in _NO_LINK else []


def _error(error: Mapping[str, Any]) -> list[Line]:
    if not error:
        return []
    lines = [Line(f"{error['code']}: {clean(error['message'], _MESSAGE)}")]
    if error["hint"]:
        lines.append(Line(f"→ {clean(error['hint'], _MESSAGE)}"))
    return lines


def _facts(given: Mapping[str, Any]) -> list[Line]:
    """The first few that are plain values; a list or an object is no text for people."""
    plain = {
        key: value
        for key, value in given.items()
        if isinstance(value, str | int | float) and value != ""
    }
    return [
        Line(f"{clean(key, _VALUE)}: {clean(_written(value), _VALUE)}")
        for key, value in [*plain.items()][:METADATA_SHOWN]
    ]


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
