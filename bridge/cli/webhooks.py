"""`sign` and `verify`: Standard Webhooks by hand."""

import math
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.exits import CommandFailed, UsageFault
from bridge.cli.options import ConfigFile, Dev, Json, Secrets
from bridge.cli.output import as_json, say

STDIN = "-"
MOST_BYTES = 64 * 1024 * 1024

Body = Annotated[
    str,
    typer.Argument(metavar="[FILE]", help="The body, byte for byte; -: standard input."),
]


def sign(
    body: Body = STDIN,
    *,
    secret: Secrets = None,
    message_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="webhook-id. Default: random.")
    ] = None,
    timestamp: Annotated[
        int | None,
        typer.Option(min=0, metavar="SECONDS", help="Unix time. Default: now."),
    ] = None,
    json: Json = False,
    config: ConfigFile = None,
    dev: Dev = False,
) -> None:
    """Write the headers that prove a body.

    One on a line, as `curl -H @FILE` reads them.
    """
    import secrets as dice

    from bridge import signature

    try:
        headers = signature.headers(
            message_id=message_id or f"msg_{dice.token_hex(16)}",
            sent_at=time.time() if timestamp is None else timestamp,
            body=body_of(body),
            secrets=known(secret, config, dev=dev),
        )
    except ValueError as error:
        raise UsageFault(str(error)) from error
    say(
        as_json(headers)
        if json
        else "\n".join(f"{name}: {value}" for name, value in headers.items())
    )


def verify(
    body: Body = STDIN,
    *,
    header: Annotated[
        list[str] | None,
        typer.Option(
            "--header",
            "-H",
            metavar="HEADER",
            help="'name: value' as received, or @FILE of such lines; may be repeated.",
        ),
    ] = None,
    secret: Secrets = None,
    tolerance: Annotated[
        str, typer.Option(metavar="DURATION", help="How far its timestamp may be off.")
    ] = "5m",
    any_age: Annotated[
        bool, typer.Option("--any-age", help="Accept a recorded webhook of any age.")
    ] = False,
    json: Json = False,
    config: ConfigFile = None,
    dev: Dev = False,
) -> None:
    """Check that a webhook is from the holder of a secret.

    Ends with 0 if that is proven, with 1 if not. For one that came as a GET, the body is
    its query string.
    """
    from bridge import duration

    try:
        tolerance_s = math.inf if any_age else duration.seconds(tolerance)
    except ValueError as error:
        raise UsageFault(f"--tolerance: {error}") from error
    headers, content = headers_of(header or ()), body_of(body)
    secrets = known(secret, config, dev=dev)
    reason = unproven(content, headers, secrets, tolerance_s)
    if json:
        say(as_json({"verified": reason is None, "reason": reason}))
    if reason is not None:
        raise CommandFailed(f"not proven: {reason}")
    if not json:
        say("proven")


def unproven(
    content: bytes, headers: Mapping[str, str], secrets: list[str], tolerance_s: float
) -> str | None:
    """Why it is not proven, with the slip that is made most often."""
    from bridge.errors import VerificationError
    from bridge.signature import verify

    now = time.time()
    try:
        verify(content, headers, secrets, now=now, tolerance_s=tolerance_s)
    except VerificationError as error:
        reason = str(error)
    else:
        return None
    bare = content.rstrip(b"\r\n")
    if bare != content and not unproven(bare, headers, secrets, tolerance_s):
        return "the body ends in a line break that was not sent"
    return reason


def headers_of(given: Iterable[str]) -> dict[str, str]:
    """Raises UsageFault, also for a name that comes twice: which one was signed?"""
    found: dict[str, str] = {}
    for line in lines_of(given):
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise UsageFault("-H: write it 'name: value'")
        if name.strip().lower() in found:
            raise UsageFault(f"-H: {name.strip()} is given twice")
        found[name.strip().lower()] = value.strip()
    if not found:
        raise UsageFault("-H: give webhook-id, webhook-timestamp and webhook-signature")
    return found


def lines_of(given: Iterable[str]) -> Iterator[str]:
    for each in given:
        if each.startswith("@"):
            text = content_of(each[1:]).decode("utf-8", "replace")
            yield from (line for line in text.splitlines() if line.strip())
        else:
            yield each


def body_of(name: str) -> bytes:
    return sys.stdin.buffer.read(MOST_BYTES) if name == STDIN else content_of(name)


def content_of(name: str) -> bytes:
    try:
        with Path(name).open("rb") as file:
            return file.read(MOST_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise UsageFault(f"{name}: cannot be read: {reason}") from error


def known(secret: list[str] | None, config: str | None, *, dev: bool) -> list[str]:
    from bridge.cli.proving import secrets_for

    secrets = secrets_for(secret, {"config": config}, dev=dev)
    if not secrets:
        raise UsageFault("no signing secret: give --secret, or set BRIDGE_SIGNING_SECRET")
    return secrets
