"""The API's document: true, whole, and readable without anybody else's server."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import jsonschema_rs
import pytest

from bridge.api.app import create_app
from bridge.api.deps import Deps
from bridge.api.openapi import document, page
from bridge.api.openapi.refusals import OUTSIDE
from bridge.api.problem import CODES
from bridge.api.resource import Resource
from bridge.messages.events import TYPES
from tests.api.conftest import Api
from tests.api.described import hold

DOCUMENT = document()
# What is for people's browsers is no part of the API.
PAGES = ("/dashboard",)


def resolved(pointer: str) -> Any:
    found: Any = DOCUMENT
    for step in pointer.removeprefix("#/").split("/"):
        found = found[step]
    return found


def nodes(value: Any) -> Any:
    yield value
    inner = value.values() if isinstance(value, dict) else value
    for each in inner if isinstance(value, dict | list) else ():
        yield from nodes(each)


def test_every_route_is_described_and_no_other(deps: Deps) -> None:
    """Who writes a client reads the document alone."""
    routes = {
        (route.path, method)  # type: ignore[attr-defined]
        for route in create_app(deps).routes
        if isinstance(resource := getattr(route, "endpoint", None), Resource)
        for method in resource.methods
        if not route.path.startswith(PAGES)  # type: ignore[attr-defined]
    }
    described = {
        (path, method.upper())
        for path, item in DOCUMENT["paths"].items()
        for method in item
    }
    assert routes == described
    assert len(routes) > 20


def test_every_code_is_described() -> None:
    """Each at an operation that answers it, but for those of what is no operation."""
    found = set(re.findall(r"components/examples/(\w+)", str(DOCUMENT["paths"])))
    assert found | set(OUTSIDE) == set(CODES)
    assert DOCUMENT["components"]["schemas"]["Problem"]["properties"]["code"]["enum"] == [
        *CODES
    ]


def test_every_reference_leads_somewhere() -> None:
    """A dangling one breaks every generator."""
    refs = {
        node["$ref"]
        for node in nodes(DOCUMENT)
        if isinstance(node, dict) and isinstance(node.get("$ref"), str)
    }
    assert len(refs) > 20
    for ref in refs:
        resolved(ref)


def test_numbers_in_queries_are_whole() -> None:
    """`wait=1.5` is refused: it is no duration."""
    schemas = [
        each["schema"]
        for item in DOCUMENT["paths"].values()
        for operation in item.values()
        for each in operation.get("parameters", [])
    ]
    types = {schema.get("type") for schema in schemas}
    assert "integer" in types
    assert "number" not in types


def test_ids_of_operations_are_names_of_their_own() -> None:
    """Generators make functions of them."""
    ids = [
        each["operationId"] for item in DOCUMENT["paths"].values() for each in item.values()
    ]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch("[a-z][A-Za-z]+", each) for each in ids)


def test_every_type_of_event_is_a_webhook() -> None:
    """Whoever receives generates a server from these."""
    assert list(DOCUMENT["webhooks"])[: len(TYPES)] == [*TYPES]
    for path, field in (("/subscribe", "callback_url"), ("/hooks", "url")):
        callback = DOCUMENT["paths"][path]["post"]["callbacks"]["event"]
        assert list(callback) == [f"{{$request.body#/{field}}}"]


def test_examples_are_what_their_schemas_say() -> None:
    """They are what people copy."""
    contents = [
        each
        for node in nodes([DOCUMENT["paths"], DOCUMENT["webhooks"]])
        if isinstance(node, dict) and isinstance(node.get("content"), dict)
        for each in node["content"].values()
    ]
    checked = 0
    for content in contents:
        shown = [content["example"]] if "example" in content else []
        shown += [
            (resolved(each["$ref"]) if "$ref" in each else each)["value"]
            for each in content.get("examples", {}).values()
        ]
        for example in shown:
            schema = content["schema"] | {"components": DOCUMENT["components"]}
            jsonschema_rs.validate(schema, example)
            checked += 1
    assert checked > 100


@pytest.mark.parametrize(
    ("status", "body"), [(418, b"{}"), (200, b'{"status": "ok", "more": 1}'), (200, b"{}")]
)
def test_an_answer_that_is_not_described_is_noticed(status: int, body: bytes) -> None:
    """All tests of the API lean on it."""
    with pytest.raises(AssertionError):
        hold("GET", "/livez", status, "application/json", body)


async def test_it_is_open_to_everybody(api: Api) -> None:
    """Tools fetch it before anybody has told them a key."""
    answer = await api("GET", "/openapi.json", key=None)
    assert (answer.status, answer.json) == (200, document())


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: set[str] = set()
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.add(tag)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        self.links |= {str(given[name]) for name in ("href", "src") if name in given}
        self.handlers += [name for name in given if name.startswith(("on", "style"))]


async def test_the_page_needs_nobody_else(api: Api) -> None:
    """It is read behind firewalls, and under a policy that lets nothing in."""
    answer = await api("GET", "/docs", key=None)
    text = answer.body.decode()
    found = Page()
    found.feed(text)
    assert answer.status == 200
    assert not found.tags & {"script", "link", "img", "iframe", "object", "form"}
    assert not found.handlers
    assert found.links - {f"#{each}" for each in found.ids} == {"openapi.json"}
    assert len(set(found.ids)) == len(found.ids)
    style = re.search("<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; ")


def test_the_page_shows_everything() -> None:
    """An operation that is not shown is not found."""
    text = page(DOCUMENT)
    for path in DOCUMENT["paths"]:
        assert f" {path}</code>" in text
    for code in CODES:
        assert f"<code>{code}</code>" in text
