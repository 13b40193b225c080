"""What a task that succeeded has made: its files, and facts about them.

A link is believed to be one only if it is an http(s) URL: several providers write error
texts, or nothing, where the link belongs. `data:` URLs are the file itself; they are left
behind, as no event has room for them.
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

from bridge.model import File, Result, UrlMissing
from bridge.providers.body import plain
from bridge.providers.fields import encoded, query_string
from bridge.providers.lookup import first
from bridge.providers.page import Page
from bridge.providers.reading import FileRule
from bridge.providers.times import instant, link_expiry

FILES_MAX = 32
DETAIL_BYTES = 2 << 10
URL_CHARS = 8 << 10

_URL = re.compile(r"https?://[^\s\x00-\x1f\x7f<>\"\\\ud800-\udfff]+", re.IGNORECASE)
_DATA = re.compile(r"data:([\w.+-]{1,60}/[\w.+-]{1,60})?[;,]", re.IGNORECASE | re.ASCII)

_TYPES = {
    "mp4": "video/mp4",
    "webm": "video/webm",
    "mov": "video/quicktime",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "m4a": "audio/mp4",
}


def result_of(
    page: Page,
    task: Any,
    answer: Any,
    *,
    base_url: str,
    task_id: str,
    finished_at: float,
) -> Result:
    """The result. Its first file is of the kind the page names first, link or no link."""
    found = _Files(page, task, answer, content_url(page, base_url, task_id), finished_at)
    files: list[File] = []
    for kind, rule in page.answer.files.items():
        files += found.of(kind, rule)
        if not files:
            files.append(found.without_link(kind, rule))
    return Result(files=tuple(files[:FILES_MAX]), details=_details(page, task, answer))


def content_url(page: Page, base_url: str, task_id: str) -> str | None:
    """Where the provider serves the bytes of the task's result to holders of the key."""
    if page.content is None:
        return None
    pieces = {"task_id": quote(task_id, safe="", errors="replace")}
    path = encoded(page.content.path, safe="/").format_map(pieces)
    return base_url.rstrip("/") + path + query_string(page.content.query, pieces)


def is_link(value: Any) -> bool:
    """
    >>> is_link("https://cdn.example.com/a.mp4?sig=1"), is_link("https://x failed with 403")
    (True, False)
    """
    if not isinstance(value, str) or len(value) > URL_CHARS or not _URL.fullmatch(value):
        return False
    try:
        return bool(urlsplit(value).hostname)
    except ValueError:
        return False


class _Files:
    """The files of one answer."""

    def __init__(
        self, page: Page, task: Any, answer: Any, content: str | None, finished_at: float
    ) -> None:
        self.page, self.task, self.answer = page, task, answer
        self.content, self.finished_at = content, finished_at
        self.stated = instant(first(page.answer.expires_at, task, answer))

    def of(self, kind: str, rule: FileRule) -> list[File]:
        """The links at the first place that has any, else a file that came inline."""
        inline: list[File] = []
        for place in rule.at:
            values = list(_texts(place.find(self.task, self.answer)))
            links = [self.link(kind, rule, value) for value in values if is_link(value)]
            if links:
                return links
            inline = inline or [
                self.inline(kind, rule, v) for v in values if _DATA.match(v)
            ]
        return inline

    def link(self, kind: str, rule: FileRule, url: str) -> File:
        parts = urlsplit(url)
        content = self.page.content
        needs_key = content is not None and content.keyed.fullmatch(parts.path) is not None
        return File(
            kind=kind,
            provider_url=url,
            content_url=self.content if needs_key else None,
            content_type=_TYPES.get(
                parts.path.rpartition(".")[2].lower(), rule.content_type
            ),
            expires_at=self.expires_at(url),
            missing=UrlMissing.NEEDS_PROVIDER_KEY if needs_key else None,
        )

    def inline(self, kind: str, rule: FileRule, value: str) -> File:
        match = _DATA.match(value)
        declared = match[1] if match else None
        return File(
            kind=kind,
            content_url=self.content,
            content_type=declared.lower() if declared else rule.content_type,
            missing=UrlMissing.INLINE_DATA,
        )

    def without_link(self, kind: str, rule: FileRule) -> File:
        return File(
            kind=kind,
            content_url=self.content,
            content_type=rule.content_type,
            expires_at=self.stated,
            missing=UrlMissing.NOT_IN_ANSWER,
        )

    def expires_at(self, url: str) -> float | None:
        at = link_expiry(url, self.finished_at)
        if at is None:
            at = self.stated
        if at is None and self.page.link_lifetime is not None:
            at = self.finished_at + self.page.link_lifetime
        return at


def _texts(value: Any) -> Iterator[str]:
    """A text, or those of a list: several files come as a list, one often comes bare."""
    for each in value[:FILES_MAX] if isinstance(value, list) else (value,):
        if isinstance(each, str):
            yield each.strip() if len(each) <= URL_CHARS else each


def _details(page: Page, task: Any, answer: Any) -> dict[str, Any]:
    found = {}
    for name, places in page.answer.details.items():
        value = first(places, task, answer)
        if value is not None and value != "":
            copy = plain(value, DETAIL_BYTES, page.answer.private_keys)
            if copy is not None:
                found[name] = copy
    return found
