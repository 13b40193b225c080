"""`demo` and `version`."""

import typer

from bridge import __version__
from bridge.cli.options import Json
from bridge.cli.output import as_json, say


def demo() -> None:
    """Watch a real bridge between simulated parties.

    Takes a quarter of a minute. Ends with 0 only if every end was told, once, and proven.
    """
    import asyncio

    from rich.console import Console

    from bridge.clock import SystemClock
    from bridge.simulator.demo import run

    raise typer.Exit(asyncio.run(run(Console(), clock=SystemClock())))


def version(json: Json = False) -> None:
    """Show the versions of poll-bridge and of what it runs on."""
    import platform
    import sqlite3

    versions = {
        "poll-bridge": __version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }
    if json:
        say(as_json(versions))
    else:
        say(*(f"{name} {each}" for name, each in versions.items()))


def version_and_exit(wanted: bool) -> None:
    if wanted:
        say(f"poll-bridge {__version__}")
        raise typer.Exit
