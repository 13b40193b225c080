"""Options that say how a callback is called, and the fields of a request that they give."""

from pathlib import Path
from typing import Annotated, Any

import typer

from bridge.cli import completing
from bridge.cli.asking import present
from bridge.cli.exits import UsageFault
from bridge.cli.options import json_of, pairs

Event = Annotated[
    list[str] | None,
    typer.Option(
        "--event",
        metavar="TYPE",
        autocompletion=completing.event_types,
        help="May be repeated. Default: task.ended.",
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FORMAT",
        autocompletion=completing.formats,
        help="standard, flat, form, query, or a chat robot's name.",
    ),
]
Method = Annotated[
    str | None,
    typer.Option(
        "--method",
        metavar="METHOD",
        autocompletion=completing.words("POST", "GET"),
        help="POST or GET.",
    ),
]
Header = Annotated[
    list[str] | None,
    typer.Option("--header", metavar="NAME=VALUE", help="Sent along; may be repeated."),
]


def auth_option(variable: str | None = None) -> Any:
    """`variable` is for a command that makes nothing: exported, it would go to whatever
    receiver is named next.
    """
    return typer.Option(
        "--auth",
        metavar="JSON",
        envvar=variable,
        help='How the receiver knows us: {"type": "bearer", "token": "…"}, or another type '
        "of docs/api.md; or @FILE that holds it.",
    )


def robot_secret_option(variable: str | None = None) -> Any:
    """`variable`: as above."""
    return typer.Option(
        "--robot-secret",
        metavar="SECRET",
        envvar=variable,
        help="Signs what a feishu or dingtalk robot is told; or @FILE that holds it.",
    )


Auth = Annotated[str | None, auth_option()]
RobotSecret = Annotated[str | None, robot_secret_option()]
RobotKeyword = Annotated[
    str | None,
    typer.Option(
        "--robot-keyword", metavar="WORD", help="In all that such a robot is told."
    ),
]


def way(
    *,
    format_: str | None,
    method: str | None,
    header: list[str] | None,
    auth: str | None,
    robot_secret: str | None,
    robot_keyword: str | None,
) -> dict[str, Any]:
    """The fields, None where nothing was given. Raises UsageFault, which quotes nothing."""
    robot = {"secret": read(robot_secret, "--robot-secret"), "keyword": robot_keyword}
    return {
        "format": format_,
        "method": method,
        "headers": pairs(header, "--header") or None,
        "auth": auth_of(auth),
        "robot": present(robot) or None,
    }


def auth_of(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json_of(read(text, "--auth") or "", "--auth")
    except ValueError:
        raise UsageFault("--auth: not JSON") from None  # its words would quote it


def read(given: str | None, option: str) -> str | None:
    """The text, or what the file holds that is named behind an @. Raises UsageFault."""
    from bridge.config.interpolation import content

    if given is None or not given.startswith("@"):
        return given
    try:
        return content(Path(given[1:]))
    except ValueError as error:
        raise UsageFault(f"{option}: {error}") from None
