"""A page and a task → the question to send; and whether a task can be asked about at all.

Task ids and params come from callers. Each becomes one percent-encoded piece of the URL, so
that whatever it holds, the question goes to the origin and path the page names, and with it
the key.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from urllib.parse import quote

from bridge.errors import FieldFault
from bridge.model import PollRequest
from bridge.providers.fields import query_string
from bridge.providers.page import Page

VALUE_CHARS, KEY_CHARS = 512, 4_096
STEPS = (".", "..")  # in a path; encoding does not make them anything else

# What no-code tools and templates write when a variable is empty.
_UNFILLED = frozenset({"undefined", "null", "none", "nan", "[object object]", "{}"})


def poll_request(
    page: Page,
    base_url: str,
    task_id: str,
    params: Mapping[str, str],
    key: str | None,
    *,
    attempt: int = 0,
) -> PollRequest:
    """What to ask about the task after `attempt` polls in a row have failed.

    The URL is encoded as it must go out. Raises ValueError for what `check_task` refuses.
    """
    values = {"task_id": task_id, **with_defaults(page, params)}
    pieces = {name: _piece(value) for name, value in values.items()}
    try:
        path = page.request.path_of(attempt).format_map(pieces)
    except KeyError as missing:
        raise ValueError(f"the param {missing.args[0]} is missing") from None
    headers = dict(page.request.all_headers)
    if page.auth is not None and key:
        headers[page.auth.header] = page.auth.value.replace("{key}", key)
    return PollRequest(
        method=page.request.method,
        url=base_url.rstrip("/") + path + query_string(page.request.query, pieces),
        headers=headers,
        timeout_s=page.poll.timeout,
    )


def with_defaults(page: Page, params: Mapping[str, str]) -> dict[str, str]:
    """The params as they are asked with: two requests that ask the same have the same."""
    defaults = {n: p.default for n, p in page.params.items() if p.default is not None}
    return defaults | {name: value for name, value in params.items() if name in page.params}


def check_task(page: Page, task_id: str, params: Mapping[str, str]) -> list[FieldFault]:
    """What keeps us from asking about the task, in words for whoever sent it."""
    faults = [
        *_task_id_faults(page, task_id),
        *(_param_fault(page, name, params[name]) for name in params),
        *(
            FieldFault(f"params.{name}", f"is required{_hint(param.description)}")
            for name, param in page.params.items()
            if param.required and param.default is None and name not in params
        ),
    ]
    return [fault for fault in faults if fault is not None]


def check_key(page: Page, key: str) -> list[FieldFault]:
    """What keeps a caller's key from being sent. The text never holds the key."""
    field = "provider_api_key"
    if page.auth is None:
        return [FieldFault(field, "this provider takes no key; leave it out")]
    if len(key) > KEY_CHARS:
        return [FieldFault(field, f"longer than {KEY_CHARS} characters")]
    if not all("\x20" <= each <= "\x7e" for each in key) or key != key.strip():
        return [FieldFault(field, "a key is printable ASCII without spaces around it")]
    scheme = page.auth.value.partition("{key}")[0]
    if scheme.strip() and key.lower().startswith(scheme.lower()):
        return [FieldFault(field, f"give the key alone, without {scheme.strip()!r}")]
    return []


def _task_id_faults(page: Page, task_id: str) -> Iterator[FieldFault]:
    text = task_id.strip()
    if text.lower() in _UNFILLED or "{{" in text:
        yield FieldFault(
            "task_id", f"{text[:40]!r} looks like a variable that was not filled in"
        )
    elif "://" in text:
        yield FieldFault("task_id", "give the id alone, not a URL")
    elif text != task_id:
        yield FieldFault("task_id", "there are spaces or line breaks around the id")
    elif task_id in STEPS:
        yield FieldFault("task_id", "`.` and `..` are not allowed")
    elif not _fits(page.task_id.fullmatch(task_id) is not None, task_id):
        yield FieldFault(
            "task_id", f"does not look like an id here: {page.task_id.pattern}"
        )


def _param_fault(page: Page, name: str, value: str) -> FieldFault | None:
    field = f"params.{name[:64]}"
    param = page.params.get(name)
    if param is None:
        if not page.params:
            return FieldFault(field, "this provider takes no params")
        near = get_close_matches(name[:64], page.params, n=1)
        known = ", ".join(page.params)
        return FieldFault(
            field, f"did you mean {near[0]!r}?" if near else f"unknown; there are: {known}"
        )
    if not _fits(param.pattern.fullmatch(value) is not None, value):
        return FieldFault(
            field, f"does not match {param.pattern.pattern}{_hint(param.description)}"
        )
    return None


def _hint(description: str | None) -> str:
    return f" ({description})" if description else ""


def _fits(matches: bool, value: str) -> bool:
    return matches and 0 < len(value) <= VALUE_CHARS and value not in STEPS


def _piece(value: str) -> str:
    """One percent-encoded segment. "." and ".." would be a step in the path instead."""
    if value in ("", *STEPS):
        raise ValueError(f"{value!r} cannot be part of a path")
    return quote(value, safe="")
