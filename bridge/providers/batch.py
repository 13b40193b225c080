"""One question about several tasks, where a provider has a list call; and its answer."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from bridge.model import Answer, PollRequest
from bridge.providers.body import is_bulky, parsed
from bridge.providers.fields import encoded
from bridge.providers.lookup import first, word
from bridge.providers.page import Page


def batch_request(
    page: Page, base_url: str, task_ids: Sequence[str], key: str | None
) -> PollRequest:
    """What to ask; each id is one parameter of its own."""
    batch = page.batch
    assert batch is not None  # noqa: S101 - whoever asks has looked
    fixed = [
        f"{quote(name, safe='')}={encoded(value)}" for name, value in batch.query.items()
    ]
    asked = [f"{quote(batch.ids, safe='')}={quote(each, safe='')}" for each in task_ids]
    headers = dict(page.request.all_headers)
    if page.auth is not None and key:
        headers[page.auth.header] = page.auth.value.replace("{key}", key)
    return PollRequest(
        method="GET",
        url=base_url.rstrip("/") + batch.path + "?" + "&".join((*fixed, *asked)),
        headers=headers,
        timeout_s=page.poll.timeout,
    )


def items_of(page: Page, answer: Answer) -> dict[str, Mapping[str, Any]] | None:
    """The tasks that a list speaks of, by id; None if the answer is no list."""
    status = answer.http_status
    if status is None or not 200 <= status < 300 or answer.too_large or answer.failure:
        return None
    if page.batch is None or is_bulky(answer.body):
        return None
    body = parsed(answer.body)
    items = first(page.batch.items, body, body)
    if not isinstance(items, list):
        return None
    found: dict[str, Mapping[str, Any]] = {}
    for item in items:
        if isinstance(item, dict) and (name := word(first(page.answer.id, item, item))):
            found[name] = item
    return found
