"""Why a task that ended has no result, in our words and the provider's."""

import re
from typing import Any

from bridge.model import ErrorCode, Status, TaskError
from bridge.providers.body import line
from bridge.providers.lookup import Lookup, first_word
from bridge.providers.page import Page

MESSAGE_CHARS, CODE_CHARS = 1_000, 128

_URL = re.compile(r"(?:https?://|data:)\S*", re.IGNORECASE)
_REQUEST_ID = re.compile(
    r"[(（\[]?request[ _-]?id ?[:：=] ?[\w.-]{1,200}[)）\]]?[.。]?", re.IGNORECASE
)

# Plain words only: a failure that merely mentions a filter must not be taken for a verdict.
_REJECTING_CODE = re.compile(
    r"sensitive|contentdetected|policy_?violation|content_?(?:policy|filter)|moderat"
    r"|data_?inspection|safety",
    re.IGNORECASE,
)
_REJECTING_TEXT = re.compile(
    r"content polic|policy violation|usage polic|safety (?:system|polic|filter)"
    r"|violat\w+ [^.]{0,60}(?:polic|guideline|terms)"
    r"|sensitive (?:information|content|words?)|inappropriate (?:content|word)"
    r"|(?:reject|block|flag|refus|fail)\w* [^.]{0,40}moderation"
    r"|moderation [^.]{0,40}(?:reject|block|flag|refus)|moderated"
    r"|敏感|违规|违反[^。]{0,20}(?:规|政策|条款)|不当内容|不合规|审核(?:未|不)通过|内容审核",
    re.IGNORECASE,
)

_CODES = {
    Status.CANCELLED: ErrorCode.TASK_CANCELLED,
    Status.EXPIRED: ErrorCode.TASK_EXPIRED,
}
_SILENT = {
    Status.FAILED: "The provider says that the task failed, and not why.",
    Status.CANCELLED: "The task was cancelled at the provider.",
    Status.EXPIRED: "The task waited or ran longer than the provider allows.",
}
_REJECTED_HINT = (
    "The provider's content filter refused this; change the prompt or the inputs."
)


def task_error(page: Page, status: Status, task: Any, answer: Any) -> TaskError:
    """What `task.failed`, `task.cancelled` and `task.expired` tell."""
    code = first_word(page.answer.error.code, task, answer)
    message = _message(page.answer.error.message, task, answer)
    rejected = status is Status.FAILED and _is_rejection(code, message)
    return TaskError(
        code=ErrorCode.CONTENT_REJECTED
        if rejected
        else _CODES.get(status, ErrorCode.TASK_FAILED),
        message=message or _SILENT[status],
        provider_code=line(code, CODE_CHARS) or None if code else None,
        hint=_REJECTED_HINT if rejected else None,
    )


def without_request_id(text: str) -> str:
    """Providers end messages with the id of our own poll, so no two are alike.

    >>> without_request_id("The output was refused. Request id: 0217747937596950e290")
    'The output was refused.'
    >>> without_request_id("Invalid token (request id: 2026061712)")
    'Invalid token'
    """
    text = text.rstrip()
    start = text.lower().rfind("request")
    if start < 0:
        return text
    start -= text[start - 1 : start] in ("(", "（", "[")
    return text[:start].rstrip() if _REQUEST_ID.fullmatch(text, start) else text


def _message(places: tuple[Lookup, ...], task: Any, answer: Any) -> str:
    """The first text that is one: some fields hold the reason or a link, by turns."""
    for place in places:
        found = place.find(task, answer)
        if isinstance(found, str) and not _URL.fullmatch(found.strip()):
            text = line(without_request_id(found[: 8 * MESSAGE_CHARS]), MESSAGE_CHARS)
            if text:
                return text
    return ""


def _is_rejection(code: str | None, message: str) -> bool:
    return bool(code and _REJECTING_CODE.search(code)) or bool(
        _REJECTING_TEXT.search(message)
    )
