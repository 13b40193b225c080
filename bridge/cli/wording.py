"""An event → what is said of it on one line."""

from collections.abc import Mapping
from typing import Any

STYLES = {
    "task.succeeded": "green",
    "task.failed": "red",
    "task.updated": "cyan",
}  # of a terminal; other ends are yellow


def style_of(type_: str) -> str:
    """
    >>> style_of("task.succeeded"), style_of("task.expired")
    ('green', 'yellow')
    """
    return STYLES.get(type_, "yellow")


def event_of(body: bytes, method: str) -> dict[str, Any] | None:
    """The event in a body, or in a query string; None if it holds none."""
    import json
    from urllib.parse import parse_qsl

    if method == "GET":
        return dict(parse_qsl(body.decode("utf-8", "replace"))) or None
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


def spoken(event: Mapping[str, Any]) -> list[str]:
    """Type, task, and the result's URL, the error or how far it is, of either format.

    >>> spoken({"type": "task.updated", "data": {"status": "running", "progress": 40}})
    ['task.updated', 'running 40 %']
    """
    inner = event.get("data")
    data = inner if isinstance(inner, dict) else event
    result, error = data.get("result"), data.get("error")
    url = result.get("url") if isinstance(result, dict) else data.get("result_url")
    message = error.get("message") if isinstance(error, dict) else data.get("error_message")
    task = f"{data.get('provider')}/{data.get('task_id')}" if data.get("task_id") else ""
    step = step_of(data) if event.get("type") == "task.updated" else ""
    return [str(each) for each in (event.get("type"), task, url or message or step) if each]


def step_of(data: Mapping[str, Any]) -> str:
    progress = data.get("progress")
    return f"{data.get('status')}{'' if progress is None else f' {progress} %'}"
