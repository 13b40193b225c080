"""`migrate`, `backup` and `rekey`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.exits import Exit
from bridge.cli.options import ConfigFile, Dev, Json
from bridge.cli.output import as_json, note, say, say_facts
from bridge.cli.progress import working

if TYPE_CHECKING:
    from bridge.config import Config


def migrate(
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="URL",
            help="Copy everything from the SQLite database into this empty PostgreSQL.",
        ),
    ] = None,
    json: Json = False,
    config: ConfigFile = None,
    dev: Dev = False,
) -> None:
    """Make the database, or bring it to this version's schema.

    The bridge does so by itself when it starts. No bridge may be using an SQLite database.
    """
    settings = configuration(config, dev=dev)
    if to is None:
        bring_up(settings, json=json)
    else:
        move(settings, to, json=json)


def bring_up(settings: "Config", *, json: bool) -> None:
    import asyncio

    with working("bringing the database up to date", json=json):
        before, after = asyncio.run(brought_up(settings))
    if json:
        say(as_json({"schema_before": before, "schema": after}))
    elif before == after:
        say(f"nothing to do: the database has schema {after}")
    else:
        say(f"the database has schema {after} now; it had {before or 'none'}")


async def brought_up(settings: "Config") -> tuple[int, int]:
    """The schema before and after."""
    from bridge.cli.place import place_of
    from bridge.store import open_store
    from bridge.vault import Vault

    place = place_of(settings)
    before = await place.schema()
    vault = Vault([key.get_secret_value() for key in settings.encryption_keys])
    async with open_store(settings.database.get_secret_value(), vault):
        """Opening is what migrates."""
    return before, await place.schema()


def move(settings: "Config", to: str, *, json: bool) -> None:
    import asyncio

    from bridge.cli.files import path_of
    from bridge.cli.moving import moved

    with working("copying rows", json=json) as advance:
        counts = asyncio.run(moved(settings, to, advance))
    if json:
        say(as_json({"rows": counts}))
        return
    say_facts((table, f"{count:>12,}") for table, count in counts.items())
    say(f"{sum(counts.values()):,} rows copied, and counted in both databases")
    note(
        "point `database` there, keep encryption_keys, and start",
        f"start no bridge on {path_of(settings)} again: each would tell of the same ends",
    )


def backup(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where the copy goes.")],
    force: Annotated[
        bool, typer.Option("--force", help="Replace FILE if it exists.")
    ] = False,
    json: Json = False,
    config: ConfigFile = None,
    dev: Dev = False,
) -> None:
    """Copy the SQLite database, also while it is in use.

    The copy is that of one instant, and checked. To restore it, start a bridge on it, with
    the same encryption keys.
    """
    from bridge.cli.backups import back_up, check_file
    from bridge.cli.files import path_of

    settings = configuration(config, dev=dev)
    check_file(settings, file)
    with working("copying and checking the database", json=json):
        size = back_up(path_of(settings), Path(file), replace=force)
    if json:
        say(as_json({"file": file, "bytes": size}))
    else:
        say(f"{file}: {size:,} bytes, checked")
        note("it opens only with the present encryption_keys: keep them, but elsewhere")


def rekey(json: Json = False, config: ConfigFile = None, dev: Dev = False) -> None:
    """Encrypt the database anew, with the newest key.

    That is the first of `encryption_keys`. Needed before an old key is removed. No bridge
    may be using the database. If it is interrupted, run it again.
    """
    import asyncio

    from bridge.cli.place import place_of
    from bridge.cli.rekeying import rekeyed

    settings = configuration(config, dev=dev)
    with working("encrypting anew, and reading it all again", json=json) as advance:
        done = asyncio.run(rekeyed(settings, place_of(settings), advance))
    if json:
        say(as_json({"resealed": done.done, "lost": done.lost}))
    elif done.lost:
        say(f"{done.done:,} values encrypted anew")
        note(f"{done.lost:,} are damaged, or sealed with a key that is not configured")
    else:
        say(
            f"{done.done:,} values encrypted anew; all open with the first key alone",
            "the other encryption_keys are needed for older backups only",
        )
    raise typer.Exit(Exit.FAILED if done.lost else Exit.OK)


def configuration(config: str | None, *, dev: bool) -> "Config":
    from bridge.cli.configuration import found

    return found({"config": config}, dev=dev)
