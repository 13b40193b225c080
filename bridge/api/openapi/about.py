"""Operations that tell of the bridge itself, and the one for hints."""

from collections.abc import Mapping

from bridge.api.openapi.answers import Alive, Durations, Provider, SigningSecret
from bridge.api.openapi.operation import Operation, schema_of
from bridge.api.openapi.parameters import in_path
from bridge.api.openapi.refusals import CLOSED, EVERY, STORED

TEXT = {"type": "string"}


def ready(id_: str) -> Operation:
    return Operation(
        id=id_,
        tag="supervision",
        summary="Whether work should come here",
        answers={200: ("It is ready.", Alive)},
        codes=(*EVERY, "not_ready"),
        open=True,
    )


ABOUT: Mapping[tuple[str, str], Operation] = {
    ("/hints/{token}", "POST"): Operation(
        id="hint",
        tag="subscriptions",
        summary="Poll this task now",
        description="The token is in `hint_url`. No body is read, and no key is needed.",
        parameters=[in_path("token", TEXT, "As in `hint_url`.")],
        answers={204: ("Whatever came of it.", None)},
        codes=EVERY,
        open=True,
    ),
    ("/providers", "GET"): Operation(
        id="listProviders",
        tag="providers",
        summary="The providers there are, and how they fare",
        answers={
            200: ("All of them.", {"type": "array", "items": schema_of(Provider)}),
        },
        codes=STORED,
    ),
    ("/providers/{name}/durations", "GET"): Operation(
        id="getDurations",
        tag="providers",
        summary="How long its tasks take, and how often they are polled",
        parameters=[in_path("name", TEXT, "As in `GET /providers`.")],
        answers={200: ("By model.", Durations)},
        codes=(*CLOSED, "not_found", "provider_not_granted"),
    ),
    ("/signing-secrets", "GET"): Operation(
        id="listSigningSecrets",
        tag="tests",
        summary="Your own signing secrets",
        answers={
            200: ("Newest first.", {"type": "array", "items": schema_of(SigningSecret)}),
        },
        codes=CLOSED,
    ),
    ("/livez", "GET"): Operation(
        id="live",
        tag="supervision",
        summary="Whether it lives: if not, restart it",
        answers={200: ("It lives.", Alive)},
        codes=(*EVERY, "stalled"),
        open=True,
    ),
    ("/readyz", "GET"): ready("ready"),
    ("/healthz", "GET"): ready("health"),
    ("/metrics", "GET"): Operation(
        id="metrics",
        tag="supervision",
        summary="Figures for Prometheus, for operators",
        answers={200: ("In the text format that was asked for.", TEXT)},
        media_types=("text/plain", "application/openmetrics-text"),
        codes=(*EVERY, "unauthorized", "rate_limited", "operator_only"),
    ),
    ("/schemas", "GET"): Operation(
        id="listSchemas",
        tag="tests",
        summary="The JSON Schemas there are of what is sent",
        answers={
            200: (
                "By format, their names.",
                {
                    "type": "object",
                    "additionalProperties": {"type": "array", "items": TEXT},
                },
            )
        },
        codes=EVERY,
        open=True,
    ),
    ("/schemas/{format}/{file}", "GET"): Operation(
        id="getSchema",
        tag="tests",
        summary="The JSON Schema of an event in a format",
        parameters=[
            in_path("format", TEXT, "One of those listed."),
            in_path("file", TEXT, "One of the names listed, and `.json`."),
        ],
        answers={200: ("JSON Schema 2020-12.", {"type": "object"})},
        media_types=("application/schema+json",),
        codes=(*EVERY, "not_found"),
        open=True,
    ),
    ("/openapi.json", "GET"): Operation(
        id="openapi",
        tag="supervision",
        summary="This document",
        answers={200: ("OpenAPI 3.1.", {"type": "object"})},
        codes=EVERY,
        open=True,
    ),
    ("/docs", "GET"): Operation(
        id="docs",
        tag="supervision",
        summary="This document, to read",
        answers={200: ("A page without scripts.", TEXT)},
        media_types=("text/html",),
        codes=EVERY,
        open=True,
    ),
}
