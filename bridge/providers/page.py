"""A provider's page: everything the bridge knows about one provider.

Durations are written "90s", "2h" or as seconds, and are seconds here. Placeholders are
`{task_id}` and the names under `params`; each fills one percent-encoded segment.
"""

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from bridge.cadence import Mode
from bridge.duration import text
from bridge.providers.fields import (
    BaseUrl,
    Duration,
    Name,
    NoNulls,
    PageRate,
    Path,
    Places,
    Regex,
    Section,
    placeholders,
)
from bridge.providers.question import TASK_ID, Auth, Batch, Param, Request, Templates
from bridge.providers.reading import Reading, Words
from bridge.rate import Rate

Fault = tuple[str, str]  # the key, and what is wrong with it


class Incoherent(ValueError):
    """The parts of a page do not fit each other."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(f"{key}: {what}" for key, what in faults))
        self.faults = faults


class Poll(Section):
    """When to ask."""

    first: Duration = Field(default=5.0, description="From subscribing to the first poll.")
    interval: Duration = Field(
        default=5.0, description="The mean gap between polls: what polling may cost."
    )
    min: Duration = Field(default=1.0, description="No gap is shorter.")
    max: Duration = Field(default=60.0, description="No gap is longer, unless polls fail.")
    cadence: Mode = Field(
        default=Mode.LEARNED,
        description="`learned`: where such tasks were seen to end; `fixed`: at the "
        "interval; `backoff`: further and further apart.",
    )
    timeout: Duration = Field(
        default=30.0, description="For one answer, from DNS to the last byte."
    )

    @model_validator(mode="after")
    def _ordered(self) -> "Poll":
        if not 0 < self.min <= self.interval <= self.max:
            given = ", ".join(text(each) for each in (self.min, self.interval, self.max))
            raise ValueError(f"min, interval and max ascend from above 0; they are {given}")
        if not self.timeout > 0:
            raise ValueError("timeout is above 0")
        return self


class Content(Section):
    """Where the provider serves a result's bytes to holders of the key."""

    path: Path = Field(
        description="Path below base_url; {task_id} is the only placeholder."
    )
    query: Templates = Field(default_factory=dict, description="Query parameters.")
    links: Regex | None = Field(
        default=None,
        description="A result link whose path ends so is one of these, whatever its host, "
        "and opens only with the key. Default: as `path` looks.",
    )
    base64: Places = Field(
        default=(),
        description="If it answers JSON: where the file is, as base64 or a data: URL.",
    )

    @cached_property
    def keyed(self) -> re.Pattern[str]:
        """Matches the whole path of links that open only with the key.

        The host is no criterion: gateways name themselves in links by a configured address
        that is often another than the one they are asked at, or plainly localhost.
        """
        if self.links is None:
            look = re.escape(self.path).replace(re.escape("{task_id}"), "[^/]+")
        else:
            look = self.links.pattern
        return re.compile(rf".*(?:{look})/?")

    @model_validator(mode="after")
    def _has_a_usable_pattern(self) -> "Content":
        try:
            _ = self.keyed
        except re.error as error:
            raise ValueError(f"links cannot be part of a longer pattern: {error}") from None
        return self


class Page(Section):
    """One provider."""

    title: str = Field(default="", description="What people call it.")
    docs: str | None = Field(default=None, description="The vendor's document.")
    base_url: BaseUrl | None = Field(
        default=None,
        description="Where it is; null: the operator says. The key goes nowhere else.",
    )
    base_urls: Annotated[dict[str, BaseUrl], NoNulls] = Field(
        default_factory=dict,
        description="Other places it is at, for people to choose from.",
    )
    auth: Auth | None = Field(
        default_factory=Auth, description="How the key is sent; null: it takes none."
    )
    request: Request = Field(description="The question.")
    task_id: Regex = Field(
        default=TASK_ID,
        description="What a task id looks like, as a whole. `.` and `..` never fit.",
    )
    params: Annotated[dict[Name, Param], NoNulls] = Field(
        default_factory=dict, description="Further variables of the question."
    )
    poll: Poll = Field(default_factory=Poll, description="When to ask.")
    rate_limit: PageRate = Field(
        default_factory=lambda: Rate(20),
        description="Polls with one key, of all its tasks together.",
    )
    expected: Duration | None = Field(
        default=None,
        description="How long a task usually takes; used until we have seen some.",
    )
    refresh: Duration | None = Field(
        default=None,
        description="How often the provider itself looks; right after news it is not asked "
        "before it looks again.",
    )
    not_found_grace: Duration = Field(
        default=60.0,
        description="How long after subscribing a task may be unknown without meaning it.",
    )
    deadline: Duration = Field(
        default=86_400.0,
        description="When we give up; beyond the provider's own time limit.",
    )
    retention: Duration = Field(
        default=604_800.0,
        description="How long the provider remembers a task that has ended.",
    )
    link_lifetime: Duration | None = Field(
        default=None,
        description="How long result links are valid, where they do not say themselves.",
    )
    words: Words = Field(description="Status words.")
    answer: Reading = Field(description="What an answer means.")
    content: Content | None = Field(
        default=None, description="Where the bytes of a result are."
    )
    batch: Batch | None = Field(
        default=None, description="A call that tells of several tasks at once."
    )

    @model_validator(mode="after")
    def _coherent(self) -> "Page":
        faults = [
            *_placeholder_faults(self),
            *_header_faults(self),
            *_base_url_faults(self),
        ]
        if self.batch and (placeholders(self.batch.path) or self.params):
            faults.append(("batch", "no placeholders in its path, and no params"))
        if not self.words.succeeded:
            faults.append(("words.succeeded", "name at least one word"))
        if faults:
            raise Incoherent(faults)
        return self


def _placeholder_faults(page: Page) -> Iterator[Fault]:
    paths = (page.request.path, *page.request.aliases)
    in_paths = {name for path in paths for name in placeholders(path)}
    in_query = {name for each in page.request.query.values() for name in placeholders(each)}
    if "task_id" not in in_paths | in_query:
        yield "request", "{task_id} is used nowhere, so every task would be asked alike"
    for name in sorted((in_paths | in_query) - {"task_id", *page.params}):
        yield "request", f"{{{name}}} is not under params"
    for name, param in page.params.items():
        if name == "task_id":
            yield "params.task_id", "the task id is no param, it is always there"
        elif name not in in_paths | in_query:
            yield f"params.{name}", "is used nowhere in request"
        elif name in in_paths and not param.required and param.default is None:
            yield f"params.{name}", "required or with a default, as the path needs it"
    content = page.content
    for template in (content.path, *content.query.values()) if content else ():
        if set(placeholders(template)) - {"task_id"}:
            yield "content", f"{template!r} has another placeholder than {{task_id}}"


def _header_faults(page: Page) -> Iterator[Fault]:
    named = {name.lower() for name in page.request.headers}
    if page.auth and page.auth.header.lower() in named:
        yield "request.headers", f"{page.auth.header} is set by auth"


def _base_url_faults(page: Page) -> Iterator[Fault]:
    """https://host/v1 with a path that begins with /v1 is a common slip."""
    prefix = urlsplit(page.base_url or "").path.rpartition("/")[2]
    if prefix and prefix == page.request.path.split("/")[1]:
        yield "base_url", f"leave out /{prefix}, request.path begins with it"
