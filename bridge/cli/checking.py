"""`check`: whether a bridge started with this configuration would work."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.exits import Exit
from bridge.cli.options import ConfigFile, Dev, Json
from bridge.cli.output import as_json, plain, say
from bridge.cli.progress import working

if TYPE_CHECKING:
    from bridge.cli.findings import Finding


def check(
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not ask the providers.")
    ] = False,
    notify: Annotated[
        bool, typer.Option("--notify", help="Send a test notice to notify.url.")
    ] = False,
    json: Json = False,
    config: ConfigFile = None,
    dev: Dev = False,
) -> None:
    """Check configuration, database and providers.

    Each provider is asked once, about a task that does not exist. Nothing is changed.
    With --notify, one notice is sent that says it is a test.
    """
    import asyncio

    from bridge.cli.configuration import found
    from bridge.cli.findings import Finding, State, examined
    from bridge.errors import ConfigError

    try:
        settings = found({"config": config}, dev=dev)
    except ConfigError as error:
        if not json:
            raise
        findings = [Finding("config", State.FAULT, fault) for fault in error.faults]
    else:
        with working("asking database and providers", json=json):
            findings = asyncio.run(examined(settings, offline=offline, notify=notify))
    report(findings, json=json)
    raise typer.Exit(code_of(findings))


def code_of(findings: Sequence["Finding"]) -> Exit:
    """By what must be mended first."""
    codes = {"config": Exit.USAGE, "database": Exit.UNAVAILABLE}
    at_fault = [each.about for each in findings if each.state == "fault"]
    return codes.get(at_fault[0], Exit.FAILED) if at_fault else Exit.OK


def report(findings: Sequence["Finding"], *, json: bool) -> None:
    if json:
        checks = [
            {"about": each.about, "state": each.state, "detail": each.detail}
            for each in findings
        ]
        ok = code_of(findings) is Exit.OK
        say(as_json({"ok": ok, "checks": checks}))
        return
    marks = {"ok": "✓", "note": "·", "warning": "!", "fault": "✗"}
    width = max(len(each.about) for each in findings)
    for each in findings:
        say(f"{marks[each.state]} {each.about:<{width}}  {plain(each.detail)}")
