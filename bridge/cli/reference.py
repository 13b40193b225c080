"""The tables of docs/cli.md, made from the commands so that they stay true."""

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from bridge.cli.app import app
from bridge.cli.exits import MEANINGS

HEAD = "| option | meaning | default | environment |\n|---|---|---|---|\n"


def commands() -> Iterator[tuple[str, Any]]:
    """Every command by its whole name, in the order of the help."""
    yield from _below(get_command(app), "")


def tables() -> Iterator[tuple[str, str]]:
    """Each command that takes anything, with its table in Markdown."""
    for name, command in commands():
        rows = [_row(each) for each in command.params if each.name != "help"]
        if rows:
            yield name, HEAD + "".join(f"{row}\n" for row in rows)


def exit_codes() -> str:
    rows = (f"| {code:d} | {meaning} |\n" for code, meaning in MEANINGS.items())
    return "| exit code | means |\n|---|---|\n" + "".join(rows)


def _below(group: Any, above: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _below(command, f"{above}{name} ")
        else:
            yield f"{above}{name}", command


def _row(param: Any) -> str:
    if param.param_type_name == "argument":
        written = param.metavar
        default = "required" if param.required else f"`{param.default}`"
    else:
        metavar = "" if param.is_flag else f" {param.metavar}"
        written = ", ".join(f"{each}{metavar}" for each in param.opts)
        default = _default(param)
    environment = f"`{param.envvar}`" if param.envvar else ""
    return f"| `{written}` | {param.help} | {default} | {environment} |"


def _default(param: Any) -> str:
    if param.required:
        return "required"
    return "" if param.default in (None, False) else f"`{param.default}`"
