"""The error answers of each provider: status, headers and body."""

import json
from collections.abc import Mapping
from types import MappingProxyType

from bridge.model import Answer
from bridge.simulator.parts import Body, request_id
from bridge.simulator.script import advice
from bridge.simulator.words import Dialect

JSON = "application/json; charset=utf-8"
NGINX = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n"
    "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
DASHBOARD = (
    "<!doctype html><html><head><title>New API</title></head>"
    '<body><div id="root"></div></body></html>'
)


def said(dialect: Dialect, status: int, body: Body, *, task_id: str) -> Answer:
    """A JSON answer with the headers by which each product is known."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    headers = {"content-type": JSON, **marks(dialect, task_id)}
    return Answer(http_status=status, headers=headers, body=text.encode())


def marks(dialect: Dialect, task_id: str) -> Mapping[str, str]:
    """The headers by which the product behind an answer is known."""
    if dialect is Dialect.SANDBOX:
        return {}
    if dialect is Dialect.ARK:
        return {"x-request-id": request_id(task_id)}
    return {"x-new-api-version": "v1.0.0", "x-oneapi-request-id": request_id(task_id)}


def not_found(dialect: Dialect, task_id: str) -> Answer:
    """As documented for the flat dialects; as new-api's code really does for its others.

    The sandbox also says how a magic id is written, if it looks as if one was meant.
    """
    if dialect is Dialect.ARK:
        message = f"The specified task {task_id} is not found."
        return _ark(404, "NotFound.id", message, "NotFound", task_id)
    if dialect in _DOCUMENTED:
        why = advice(task_id) if dialect is Dialect.SANDBOX else None
        message = f"Task {task_id} not found" + (f": {why}" if why else "")
        return _error(dialect, 404, message, "task_not_found", task_id)
    body: Body = {"code": "task_not_exist", "message": "task_not_exist", "data": None}
    return said(dialect, 400, body, task_id=task_id)


def unauthorized(dialect: Dialect, task_id: str) -> Answer:
    """One body for a wrong, disabled, expired and used-up key."""
    if dialect is Dialect.ARK:
        message = "The API key or AK/SK in the request is missing or invalid."
        return _ark(401, "AuthenticationError", message, "Unauthorized", task_id)
    message = f"Invalid token (request id: {request_id(task_id)})"
    return _error(dialect, 401, message, "", task_id, kind="new_api_error")


def forbidden(dialect: Dialect, task_id: str) -> Answer:
    if dialect is Dialect.ARK:
        message = "The account has an overdue balance."
        return _ark(403, "AccountOverdueError", message, "Forbidden", task_id)
    message = "This token has no access to model "
    return _error(dialect, 403, message, "", task_id, kind="new_api_error")


def throttled(dialect: Dialect, task_id: str, retry_after_s: int | None) -> Answer:
    """new-api's middleware sends an empty body; Retry-After is what a proxy would add."""
    wait = {} if retry_after_s is None else {"retry-after": str(retry_after_s)}
    if dialect is Dialect.ARK:
        message = "The request rate limit has been exceeded. Please try again later."
        answer = _ark(429, "RateLimitExceeded", message, "TooManyRequests", task_id)
        return Answer(http_status=429, headers={**answer.headers, **wait}, body=answer.body)
    return Answer(http_status=429, headers={**marks(dialect, task_id), **wait})


def broken(http_status: int) -> Answer:
    """What the proxy before a gateway says when the gateway does not answer it."""
    title = f"{http_status} {_REASONS.get(http_status, 'Error')}"
    body = NGINX.format(title).encode()
    return Answer(http_status=http_status, headers={"content-type": "text/html"}, body=body)


def dashboard() -> Answer:
    """A path outside the API gets the gateway's web page, with 200."""
    headers = {"content-type": "text/html; charset=utf-8", "cache-control": "no-cache"}
    return Answer(http_status=200, headers=headers, body=DASHBOARD.encode())


def wrong_path(dialect: Dialect, method: str, path: str) -> Answer:
    """A path below /v1 that is none of the API's."""
    return _error(dialect, 404, f"Invalid URL ({method} {path})", "", path)


def no_content(task_id: str, word: str | None) -> Answer:
    """new-api's /content when the task is not done; `word` None: there is no such task."""
    if word is None:
        status, message = 404, "Task not found"
    else:
        status, message = 400, f"Task is not completed yet, current status: {word}"
    body: Body = {"error": {"message": message, "type": "invalid_request_error"}}
    return said(Dialect.OPENAI_VIDEO, status, body, task_id=task_id)


def _error(
    dialect: Dialect,
    status: int,
    message: str,
    code: str,
    task_id: str,
    *,
    kind: str = "invalid_request_error",
) -> Answer:
    body: Body = {"error": {"message": message, "type": kind, "code": code}}
    return said(dialect, status, body, task_id=task_id)


def _ark(status: int, code: str, message: str, kind: str, task_id: str) -> Answer:
    text = f"{message} Request id: {request_id(task_id)}"
    body: Body = {"error": {"code": code, "message": text, "param": "", "type": kind}}
    return said(Dialect.ARK, status, body, task_id=task_id)


_DOCUMENTED = (Dialect.SANDBOX, Dialect.FLAT_SUCCEEDED, Dialect.FLAT_COMPLETED)
_REASONS = MappingProxyType(
    {
        500: "Internal Server Error",
        502: "Bad Gateway",
        503: "Service Temporarily Unavailable",
        504: "Gateway Time-out",
    }
)
