"""The document → one HTML page, without scripts and without anything from elsewhere."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

Json = Mapping[str, Any]

STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem;
  margin: 0 auto; padding: 1rem; }
pre { overflow-x: auto; padding: .5rem; border: 1px solid GrayText; }
summary { cursor: pointer; }
details { margin: .25rem 0 .25rem 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; }
section { border-top: 1px solid GrayText; }
"""
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()


def page(document: Json) -> str:
    return "\n".join(_page(document))


def _page(document: Json) -> Iterator[str]:
    info, schemas = document["info"], document["components"]["schemas"]
    title = f"{info['title']} {info['version']}"
    yield (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>"
    )
    yield f"<h1>{escape(title)}</h1>"
    yield prose(info["description"])
    yield '<p><a href="openapi.json">openapi.json</a> is this page for programs.</p>'
    yield "<nav><h2>Contents</h2><ul>"
    for path, method, operation in operations(document):
        yield (
            f'<li><a href="#{escape(operation["operationId"])}"><code>{method} '
            f"{escape(path)}</code></a> {escape(operation['summary'])}</li>"
        )
    yield "</ul></nav><h2>Operations</h2>"
    for path, method, operation in operations(document):
        yield from _operation(f"{method} {path}", operation, operation["operationId"])
    yield "<h2>Webhooks</h2>"
    for name, item in document["webhooks"].items():
        yield from _operation(name, item["post"], f"webhook-{name}")
    yield "<h2>Errors</h2>"
    for code, each in document["components"]["examples"].items():
        value = each["value"]
        words = f"({value['status']}): {escape(value['title'])}"
        yield f"<p><code>{escape(code)}</code> {words}</p>"
    yield "<h2>Schemas</h2>"
    for name, schema in schemas.items():
        yield f'<section id="schema-{escape(name)}"><h3>{escape(name)}</h3>'
        yield from _schema(schema)
        yield "</section>"
    yield "</main></body></html>"


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method.upper(), operation


def _operation(title: str, operation: Json, anchor: str) -> Iterator[str]:
    yield f'<section id="{escape(anchor)}"><h3><code>{escape(title)}</code></h3>'
    yield prose(operation["summary"])
    yield prose(operation.get("description", ""))
    if operation.get("security") == []:
        yield "<p>Needs no key.</p>"
    if "parameters" in operation:
        yield "<table><tr><th>name</th><th>in</th><th>holds</th><th>is</th></tr>"
        for each in operation["parameters"]:
            yield (
                f"<tr><td><code>{escape(each['name'])}</code></td><td>{escape(each['in'])}"
                f"</td><td>{kind(each['schema'])}</td><td>{marked(each['description'])}</td></tr>"
            )
        yield "</table>"
    if "requestBody" in operation:
        yield from _content("Body", operation["requestBody"]["content"])
    for status, answer in operation["responses"].items():
        yield f"<p><strong>{escape(status)}</strong> {marked(answer['description'])}</p>"
        if int(status) < 300 if status.isdigit() else False:
            yield from _content("Answer", answer.get("content", {}))
    for name in operation.get("callbacks", {}):
        yield f"<p>Calls back: <code>{escape(name)}</code>, as under Webhooks.</p>"
    yield "</section>"


def _content(word: str, content: Json) -> Iterator[str]:
    if not content:
        return
    told = next(iter(content.values()))
    names = ", ".join(f"<code>{escape(each)}</code>" for each in content)
    yield f"<p>{word}, {names}: {kind(told['schema'])}</p>"
    shown = [each["value"] for each in told.get("examples", {}).values()]
    for example in [told["example"]] if "example" in told else shown:
        text = json.dumps(example, indent=2, ensure_ascii=False)
        yield f"<details><summary>Example</summary><pre>{escape(text)}</pre></details>"


def _schema(schema: Json) -> Iterator[str]:
    yield prose(schema.get("description", ""))
    if "properties" not in schema:
        yield f"<p>{kind(schema)}</p>"
        return
    yield "<table><tr><th>field</th><th>holds</th><th>is</th></tr>"
    for name, each in schema["properties"].items():
        needed = "" if name in schema.get("required", ()) else " (optional)"
        yield (
            f"<tr><td><code>{escape(name)}</code>{needed}</td><td>{kind(each)}</td>"
            f"<td>{marked(each.get('description', ''))}</td></tr>"
        )
    yield "</table>"


def kind(schema: Json) -> str:
    """What a value is, in HTML.

    >>> kind({"type": "array", "items": {"type": "string"}})
    'list of string'
    """
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#schema-{name}">{name}</a>'
    if "enum" in schema:
        return " ".join(f"<code>{escape(str(each))}</code>" for each in schema["enum"])
    if "const" in schema:
        return f"<code>{escape(json.dumps(schema['const']))}</code>"
    for word, joint in (("anyOf", " or "), ("oneOf", " or "), ("allOf", " with ")):
        if word in schema:
            return joint.join(kind(each) for each in schema[word])
    if "items" in schema:
        return f"list of {kind(schema['items'])}"
    given = schema.get("format") or schema.get("type") or "anything"
    return (
        escape(str(given))
        if schema.keys() != {"properties"}
        else escape(" and ".join(schema["properties"]))
    )


def prose(text: str) -> str:
    return "".join(f"<p>{marked(part)}</p>" for part in text.split("\n\n") if part)


def marked(text: str) -> str:
    """
    >>> marked("`a<b` & c")
    '<code>a&lt;b</code> &amp; c'
    """
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
