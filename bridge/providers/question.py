"""The half of a page that says how to ask."""

import re
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, model_validator

from bridge.providers.fields import (
    HeaderName,
    HeaderValue,
    NoNulls,
    PageRate,
    Path,
    Paths,
    Places,
    Regex,
    Section,
    Template,
    encoded,
)
from bridge.rate import Rate

TASK_ID = re.compile(r"[A-Za-z0-9_:.-]{1,256}")

# In English, because some gateways translate their errors, and rules read them.
HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "Accept-Language": "en",
}

Templates = Annotated[dict[str, Template], NoNulls]


class Auth(Section):
    """How the key is sent."""

    header: HeaderName = Field(default="Authorization", description="The header's name.")
    value: HeaderValue = Field(
        default="Bearer {key}", description="Its value; {key} is the key."
    )

    @model_validator(mode="after")
    def _has_key(self) -> "Auth":
        if self.value.count("{key}") != 1:
            raise ValueError("value has {key} in it, once")
        return self


class Request(Section):
    """The question."""

    method: Literal["GET", "POST"] = Field(default="GET", description="The HTTP method.")
    path: Path = Field(description="Path below base_url.")
    aliases: Paths = Field(
        default=(),
        description="Other paths that answer the same question; tried now and then while "
        "polls fail.",
    )
    query: Templates = Field(
        default_factory=dict,
        description="Query parameters. One whose placeholder has no value is left out.",
    )
    headers: Annotated[dict[HeaderName, HeaderValue], NoNulls] = Field(
        default_factory=dict, description="Further headers."
    )

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """`path` and the aliases, percent-encoded but for the placeholders."""
        return tuple(encoded(path, safe="/") for path in (self.path, *self.aliases))

    def path_of(self, attempt: int) -> str:
        """The path to ask after `attempt` polls in a row have failed.

        The aliases come second, as some paths fail for good. In between come more polls of
        the path itself than it takes to believe that it does not know a task: an alias that
        a server does not have must not break that row.
        """
        turn = attempt % (len(self.paths) + 3)
        return self.paths[turn] if turn < len(self.paths) else self.paths[0]

    @cached_property
    def all_headers(self) -> dict[str, str]:
        own = {name.lower() for name in self.headers}
        return {k: v for k, v in HEADERS.items() if k.lower() not in own} | self.headers


class Batch(Section):
    """A call that tells of several tasks at once."""

    path: Path = Field(description="Path below base_url, without placeholders.")
    query: Annotated[dict[str, str], NoNulls] = Field(
        default_factory=dict, description="Query parameters, as they are."
    )
    ids: str = Field(description="The query parameter of a task id; repeated for each.")
    items: Places = Field(description="Where the list is; its items are read as `answer`.")
    most: int = Field(default=100, ge=2, le=500, description="Ids in one request.")
    rate_limit: PageRate = Field(
        default_factory=lambda: Rate(1),
        description="Such requests with one key, beside its polls.",
    )


class Param(Section):
    """A further variable of the question, given by the caller with the task id."""

    description: str | None = Field(default=None, description="For the caller.")
    pattern: Regex = Field(
        default=TASK_ID, description="What a value looks like, as a whole."
    )
    required: bool = Field(
        default=False, description="Whether a request without it is refused."
    )
    default: str | None = Field(default=None, description="What it is when not given.")

    @model_validator(mode="after")
    def _default_fits(self) -> "Param":
        if self.default is not None and not self.pattern.fullmatch(self.default):
            raise ValueError(f"the default {self.default!r} does not fit the pattern")
        return self
