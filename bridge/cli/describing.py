"""`openapi`."""

from bridge.cli.output import as_json, say


def openapi() -> None:
    """Write the OpenAPI document of the HTTP API, as `/openapi.json` has it."""
    from bridge.api.openapi import document

    say(as_json(document()))
