"""The tables of docs/cli.md, made from the commands so that they stay true."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from bridge.cli.app import app
from bridge.cli.exits import MEANINGS

SHARED = 3  # an option of so many commands is explained once, for all of them


def commands() -> Iterator[tuple[str, Any]]:
    """Every command by its whole name, in the order of the help."""
    yield from _below(get_command(app), "")


def shared_options() -> str:
    return _table(row for row, count in _counted().items() if count >= SHARED)


def own_options() -> Iterator[tuple[str, str]]:
    """Each command with what it takes: a table, and the names of shared options."""
    counted = _counted()
    for name, command in commands():
        params = _params(command)
        own = [_row(each) for each in params if counted[_row(each)] < SHARED]
        names = [f"`{each.opts[0]}`" for each in params if counted[_row(each)] >= SHARED]
        shared = f"{'Also' if own else 'Takes'} {', '.join(names)}.\n" if names else ""
        yield name, "\n".join(part for part in (_table(own) if own else "", shared) if part)


def exit_codes() -> str:
    rows = (f"| {code:d} | {meaning} |\n" for code, meaning in MEANINGS.items())
    return "| exit code | means |\n|---|---|\n" + "".join(rows)


def _below(group: Any, above: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _below(command, f"{above}{name} ")
        else:
            yield f"{above}{name}", command


def _params(command: Any) -> list[Any]:
    return [each for each in command.params if each.name != "help"]


def _counted() -> Counter[str]:
    return Counter(_row(each) for _, command in commands() for each in _params(command))


def _table(rows: Any) -> str:
    return "| option | meaning |\n|---|---|\n" + "".join(f"{row}\n" for row in rows)


def _row(param: Any) -> str:
    if param.param_type_name == "argument":
        written = param.metavar
    else:
        metavar = "" if param.is_flag else f" {param.metavar}"
        written = ", ".join(f"{each}{metavar}" for each in param.opts)
    meaning = [param.help]
    if param.required and param.param_type_name == "option":
        meaning.append("Required.")
    if param.default not in (None, False):
        meaning.append(f"Default: `{param.default}`.")
    if param.envvar:
        meaning.append(f"Environment: `{param.envvar}`.")
    return f"| `{written}` | {' '.join(meaning)} |"
