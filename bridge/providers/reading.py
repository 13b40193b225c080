"""The half of a page that says what an answer means."""

from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from bridge.model import PollOutcome, Status
from bridge.providers.fields import Name, NoNulls, Places, Regex, Section, WordList, normal
from bridge.providers.lookup import lookup


def _places(*paths: str) -> Places:
    return tuple(lookup(path) for path in paths)


def _listed(value: object) -> bool:
    return isinstance(value, list | tuple)


def _file_rule(value: object) -> object:
    return value if isinstance(value, dict | FileRule) else {"at": value}


def _at_least_one(places: Places) -> Places:
    if not places:
        raise ValueError("name at least one place")
    return places


class Words(Section):
    """The provider's status words by what they mean; case, spaces and hyphens aside."""

    queued: WordList = Field(default=(), description="Accepted, not begun.")
    running: WordList = Field(default=(), description="Being worked on.")
    succeeded: WordList = Field(default=(), description="Ended with a result.")
    failed: WordList = Field(default=(), description="Ended without one.")
    cancelled: WordList = Field(
        default=(), description="Ended because somebody asked for it."
    )
    expired: WordList = Field(
        default=(), description="Ended because it took or waited too long."
    )

    @cached_property
    def meaning(self) -> dict[str, Status]:
        """Each word as written and as compared, so that most are found at once."""
        found: dict[str, Status] = {}
        for status in Status:
            for word in getattr(self, status.value):
                found[word] = found[normal(word)] = status
        return found

    @model_validator(mode="after")
    def _unambiguous(self) -> "Words":
        seen: dict[str, Status] = {}
        for status in Status:
            for word in getattr(self, status.value):
                if seen.setdefault(normal(word), status) is not status:
                    other = seen[normal(word)].value
                    raise ValueError(f"{word!r} is listed as {other} and as {status.value}")
        return self


class FileRule(Section):
    """Where a file of the result is."""

    at: Annotated[Places, AfterValidator(_at_least_one)] = Field(
        description="Places to look; the first that holds a link (or several) counts. Text "
        "that is no http(s) link is passed over."
    )
    content_type: str | None = Field(
        default=None, description="What it is when the link's own ending does not tell."
    )


class ErrorRule(Section):
    """Where a failed task says why."""

    code: Places = Field(
        default=(), description="The provider's own code; text or a number."
    )
    message: Places = Field(
        default=(), description="The reason in words; links are passed over."
    )


class RefusalRule(Section):
    """An error answer that means something else here than its HTTP status says."""

    http: Annotated[
        tuple[int, ...], BeforeValidator(lambda v: v if _listed(v) else (v,))
    ] = Field(default=(), description="HTTP statuses it applies to; none: any.")
    code: WordList = Field(default=(), description="Error codes it applies to; none: any.")
    text: Regex | None = Field(
        default=None, description="Found anywhere in the error's message."
    )
    outcome: Literal[
        "pending",
        "not_found",
        "auth",
        "forbidden",
        "throttled",
        "transient",
        "misconfigured",
    ] = Field(description="What the answer comes to.")

    @property
    def means(self) -> PollOutcome:
        return PollOutcome(self.outcome)

    def applies(self, http: int, code: str | None, message: str | None) -> bool:
        return (
            (not self.http or http in self.http)
            and (not self.code or code in self.code)
            and (self.text is None or bool(self.text.search(message or "")))
        )

    @model_validator(mode="after")
    def _says_when(self) -> "RefusalRule":
        if not (self.http or self.code or self.text):
            raise ValueError("say when the rule applies: http, code or text")
        return self


class Refusal(Section):
    """How to read an answer that does not speak of the task."""

    code: Places = Field(
        default_factory=lambda: _places("error.code", "code", "error.type"),
        description="Where its error code is.",
    )
    message: Places = Field(
        default_factory=lambda: _places(
            "error.message", "message", "error", "detail", "msg"
        ),
        description="Where its text is.",
    )
    rules: tuple[RefusalRule, ...] = Field(
        default=(),
        description="Exceptions to what HTTP statuses mean; the first that applies counts.",
    )


class Reading(Section):
    """What an answer means. Of several places the first that has a value counts."""

    task: Places = Field(
        default_factory=lambda: _places("@"),
        description="Objects of the answer that may describe the task. All other places "
        "are within the one that carries the task's id, else within the first there is.",
    )
    id: Places = Field(
        default=(),
        description="Where such an object carries the id we ask for. If it carries another "
        "one, the answer is not believed. None: not checked.",
    )
    status: Annotated[Places, AfterValidator(_at_least_one)] = Field(
        description="The status word."
    )
    upstream_status: Places = Field(
        default=(),
        description="The word of the provider's own provider; shown, never an end.",
    )
    progress: Places = Field(default=(), description='Percent: 50, 49.7 or "50%".')
    model: Places = Field(default=(), description="The model that does the work.")
    submitted: Places = Field(default=(), description="When the task was created.")
    finished: Places = Field(default=(), description="When it ended; read only if it has.")
    files: Annotated[
        dict[Name, Annotated[FileRule, BeforeValidator(_file_rule)]], NoNulls
    ] = Field(
        default_factory=dict,
        description="The files of a result by kind, the most important first. A place or a "
        "list of places may stand for {at: …}.",
    )
    expires_at: Places = Field(default=(), description="Until when the links are valid.")
    details: Annotated[dict[Name, Places], NoNulls] = Field(
        default_factory=dict, description="Further facts of a result, by the name they get."
    )
    error: ErrorRule = Field(default_factory=ErrorRule, description="Why a task failed.")
    refusal: Refusal = Field(
        default_factory=Refusal, description="Answers that are errors."
    )
    private: Annotated[
        tuple[str, ...], BeforeValidator(lambda v: () if v is None else v)
    ] = Field(default=(), description="Keys left out of `raw`, at any depth.")

    @cached_property
    def private_keys(self) -> frozenset[str]:
        return frozenset(key.lower() for key in self.private)
