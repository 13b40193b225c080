"""Answers that do not speak of the task: errors, web pages, silence.

None of them ends a task. They differ in who has to act (the operator, the caller, nobody)
and in how soon asking again makes sense.
"""

from typing import Any
from urllib.parse import urlsplit

from bridge.model import Answer, AttemptOutcome, Observation, PollOutcome, Status
from bridge.providers.body import NOTHING, detail, is_html
from bridge.providers.failure import without_request_id
from bridge.providers.lookup import first_word
from bridge.providers.page import Page

# RFC 9110 unless noted. Other 3xx and 4xx are `misconfigured`: the question is the same
# every time and would be refused every time. The rest is `transient`.
_OUTCOMES = {
    401: PollOutcome.AUTH,
    402: PollOutcome.FORBIDDEN,  # an account without money
    403: PollOutcome.FORBIDDEN,
    404: PollOutcome.NOT_FOUND,
    408: PollOutcome.TRANSIENT,
    409: PollOutcome.TRANSIENT,
    410: PollOutcome.NOT_FOUND,
    425: PollOutcome.TRANSIENT,
    429: PollOutcome.THROTTLED,
    501: PollOutcome.MISCONFIGURED,  # new-api: this path does not serve such tasks
}

# What web frameworks say of a path they do not have; of a task they speak in JSON.
_NO_SUCH_PATH = ("Invalid URL (", "404 page not found", "Cannot GET /")

_WEB_PAGE = "a web page instead of JSON; check base_url and request.path"
_TEXT_BYTES = 400


def refusal(
    page: Page, answer: Answer, body: Any, http: int, retry_after_s: float | None
) -> Observation:
    """What an answer of any other status than 2xx comes to; `body` may be `NOTHING`."""
    if 300 <= http < 400:
        return _seen(PollOutcome.MISCONFIGURED, http, _redirect(answer), retry_after_s)
    ruled = _by_rule(page, answer, body, http, retry_after_s)
    if ruled is not None:
        return ruled
    text = _message(page, answer, body)
    outcome = _OUTCOMES.get(http)
    if outcome is None:
        client_fault = 400 <= http < 500
        outcome = PollOutcome.MISCONFIGURED if client_fault else PollOutcome.TRANSIENT
    elif outcome is PollOutcome.NOT_FOUND and text.startswith((_WEB_PAGE, *_NO_SUCH_PATH)):
        outcome = PollOutcome.MISCONFIGURED
    return _seen(outcome, http, text, retry_after_s)


def no_task(
    page: Page, answer: Answer, body: Any, http: int, retry_after_s: float | None
) -> Observation:
    """What a 2xx answer without a status comes to: often it is an error in disguise."""
    ruled = _by_rule(page, answer, body, http, retry_after_s)
    if ruled is not None:
        return ruled
    text = _message(page, answer, body)
    if text == _WEB_PAGE:
        return _seen(PollOutcome.MISCONFIGURED, http, text, retry_after_s)
    if body is NOTHING:
        fault = "the answer is not JSON" if answer.body.strip() else "the answer is empty"
    else:
        fault = "the answer has no status"
    text = f"{fault}: {text}" if text else fault
    return _seen(PollOutcome.TRANSIENT, http, text, retry_after_s)


def foreign_task(http: int, retry_after_s: float | None) -> Observation:
    """What a 2xx answer about another task comes to: a cache or a proxy mixed them up."""
    text = "the answer is about another task"
    return _seen(PollOutcome.TRANSIENT, http, text, retry_after_s)


def no_answer(answer: Answer) -> Observation:
    """What it comes to if no answer was had, or none that could be read to its end."""
    if answer.failure == AttemptOutcome.PROXY_ERROR:
        text = answer.detail or "the proxy does not work"
        return Observation(outcome=PollOutcome.TRANSIENT, detail=text, ours=True)
    if answer.too_large:
        outcome, text = PollOutcome.ANSWER_TOO_LARGE, "the answer is too large"
    else:
        outcome, text = PollOutcome.UNREACHABLE, answer.failure or "no answer"
    return Observation(
        outcome=outcome, http_status=answer.http_status, detail=detail(text) or None
    )


def _by_rule(
    page: Page, answer: Answer, body: Any, http: int, retry_after_s: float | None
) -> Observation | None:
    """What the page's own rules make of the answer, if one applies."""
    if not page.answer.refusal.rules:
        return None
    code = first_word(page.answer.refusal.code, body, body)
    text = _message(page, answer, body)
    for rule in page.answer.refusal.rules:
        if rule.applies(http, code, text):
            status = Status.RUNNING if rule.means is PollOutcome.PENDING else None
            return _seen(rule.means, http, text or code or "", retry_after_s, status)
    return None


def _seen(
    outcome: PollOutcome,
    http: int,
    text: str,
    retry_after_s: float | None,
    status: Status | None = None,
) -> Observation:
    return Observation(
        outcome=outcome,
        status=status,
        http_status=http,
        detail=detail(without_request_id(text)) or None,
        retry_after_s=retry_after_s,
    )


def _message(page: Page, answer: Answer, body: Any) -> str:
    if body is not NOTHING:
        return first_word(page.answer.refusal.message, body, body) or ""
    if is_html(answer.headers.get("content-type", ""), answer.body):
        return _WEB_PAGE
    text = answer.body[:_TEXT_BYTES].decode("utf-8", "replace").strip()
    return "" if text.startswith(("{", "[")) else text  # broken JSON is nothing to read


def _redirect(answer: Answer) -> str:
    """Where to, by host alone: the rest of a redirect may be secret."""
    try:
        target = urlsplit(answer.headers.get("location", "")).hostname
    except ValueError:
        target = None
    return f"redirects to {target or 'another path'}; correct base_url"
