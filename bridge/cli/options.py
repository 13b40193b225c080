"""Options that several commands have, meaning the same in each."""

import json
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from bridge.cli.exits import UsageFault

MOST_LEVELS = 100  # of JSON: more than a bridge takes, and fewer than Python can write

ConfigFile = Annotated[
    str | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Configuration file. Default: BRIDGE_CONFIG, ./config.yaml, "
        "/etc/poll-bridge/config.yaml.",
    ),
]
Dev = Annotated[
    bool,
    typer.Option(
        "--dev",
        help="Use what `serve --dev` uses in this directory. Implied where it has run and "
        "nothing is configured.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON to standard output.")]
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        envvar="BRIDGE_URL",
        help="Where the bridge runs. Default: where one that is started here listens.",
    ),
]
ApiKey = Annotated[
    str | None,
    typer.Option(
        "--api-key",
        envvar="BRIDGE_API_KEY",
        metavar="KEY",
        help="Default: what BRIDGE_API_KEY_FILE holds, or the key of `serve --dev`.",
    ),
]
Secrets = Annotated[
    list[str] | None,
    typer.Option(
        "--secret",
        envvar="BRIDGE_SIGNING_SECRET",
        metavar="whsec_…",
        help="Signing secret; may be repeated. Default: those of the configuration, or of "
        "`serve --dev`.",
    ),
]
Limit = Annotated[
    int,
    typer.Option("--limit", metavar="N", min=1, max=200, help="How many to show at most."),
]
Wait = Annotated[
    int | None,
    typer.Option(
        "--wait",
        min=0,
        max=60,
        metavar="SECONDS",
        help="Wait for the end, at most this long.",
    ),
]
Params = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        metavar="NAME=VALUE",
        help="Variable that the provider's page declares; may be repeated.",
    ),
]


def pairs(given: list[str] | None, option: str) -> dict[str, str]:
    """``["region=eu"]`` as a mapping.

    >>> pairs(["region=eu", "q=a=b"], "--param")
    {'region': 'eu', 'q': 'a=b'}
    """
    found: dict[str, str] = {}
    for each in given or ():
        name, sign, value = each.partition("=")
        if not name or not sign:
            raise typer.BadParameter(f"write it {option} name=value")
        found[name] = value
    return found


def json_of(text: str, option: str) -> Any:
    """Raises ValueError, and UsageFault for what is nested too deeply to be sent."""
    too_deep = UsageFault(f"{option}: nested too deeply")
    try:
        value = json.loads(text)
    except RecursionError:
        raise too_deep from None
    layer = [value]
    for _ in range(MOST_LEVELS):
        layer = [inner for each in layer for inner in within(each)]
        if not layer:
            return value
    raise too_deep


def within(value: Any) -> Iterable[Any]:
    """
    >>> [*within({"a": [1]})], [*within([2, "b"])], [*within("c")]
    ([[1]], [2, 'b'], [])
    """
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
