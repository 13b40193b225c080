"""One operation of the API, and how it is written in OpenAPI."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from bridge.api.openapi.refusals import HEADERS, refusals

Json = dict[str, Any]
Content = type[BaseModel] | Json | None  # a model, a schema, or nothing

JSON, FORM = "application/json", "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """`answers` are those that are no errors, by status: what they mean and hold."""

    id: str
    tag: str
    summary: str
    description: str = ""
    parameters: Sequence[Json] = ()
    body: Content = None
    body_required: bool = True
    forms: bool = True  # whether the body may come as a form
    body_example: Any = None
    answers: Mapping[int, tuple[str, Content]]
    media_types: tuple[str, ...] = (JSON,)
    headers: Json = field(default_factory=dict)
    codes: Sequence[str]
    open: bool = False
    callbacks: Json | None = None
    example: Any = None

    def written(self) -> Json:
        made: Json = {"operationId": self.id, "tags": [self.tag], "summary": self.summary}
        if self.description:
            made["description"] = self.description
        if self.parameters:
            made["parameters"] = list(self.parameters)
        if self.body is not None:
            made["requestBody"] = {
                "required": self.body_required,
                "content": self._content(),
            }
        made["responses"] = {
            str(status): self._answer(meaning, content)
            for status, (meaning, content) in self.answers.items()
        } | refusals(self.codes)
        if self.callbacks:
            made["callbacks"] = self.callbacks
        if self.open:
            made["security"] = []
        return made

    def _content(self) -> Json:
        told: Json = {"schema": schema_of(self.body)}
        if self.body_example is not None:
            told["example"] = self.body_example
        return {JSON: told} | ({FORM: told} if self.forms else {})

    def _answer(self, meaning: str, content: Content) -> Json:
        made: Json = {"description": meaning, "headers": HEADERS | self.headers}
        if content is not None:
            told: Json = {"schema": schema_of(content)}
            if self.example is not None:
                told["example"] = self.example
            made["content"] = dict.fromkeys(self.media_types, told)
        return made


def schema_of(content: Content) -> Json:
    if isinstance(content, dict):
        return content
    assert content is not None  # noqa: S101 - who calls has looked
    return {"$ref": f"#/components/schemas/{content.__name__}"}


def models_of(content: Content) -> list[type[BaseModel]]:
    return [content] if isinstance(content, type) else []
