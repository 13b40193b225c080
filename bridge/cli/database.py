"""`migrate`, `backup` and `rekey`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.exits import Exit
from bridge.cli.options import ConfigFile, Dev, Json
from bridge.cli.output import as_json, note, say

if TYPE_CHECKING:
    from bridge.config import Config


def migrate(json: Json = False, config: ConfigFile = None, dev: Dev = False) -> None:
    """Make the database, or bring it to this version's schema.

    The bridge does so by itself when it starts. No bridge may be using the database.
    """
    import asyncio

    from bridge.cli.files import path_of, schema_of

    settings = configuration(config, dev=dev)
    path = path_of(settings)
    before = schema_of(path) if path.exists() else 0
    asyncio.run(opened(settings))
    after = schema_of(path)
    if json:
        say(as_json({"schema_before": before, "schema": after}))
    elif before == after:
        say(f"nothing to do: the database has schema {after}")
    else:
        say(f"the database has schema {after} now; it had {before or 'none'}")


def backup(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where the copy goes.")],
    force: Annotated[
        bool, typer.Option("--force", help="Replace FILE if it exists.")
    ] = False,
    json: Json = False,
    config: ConfigFile = None,
    dev: Dev = False,
) -> None:
    """Copy the database, also while it is in use.

    The copy is that of one instant, and checked. To restore it, start a bridge on it, with
    the same encryption keys.
    """
    from bridge.cli.files import back_up, path_of

    source = path_of(configuration(config, dev=dev))
    size = back_up(source, Path(file), replace=force)
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

    from bridge.cli.files import must_exist, path_of
    from bridge.cli.rekeying import rekeyed

    settings = configuration(config, dev=dev)
    must_exist(path_of(settings))
    done = asyncio.run(rekeyed(settings))
    if json:
        say(as_json({"resealed": done.done, "lost": done.lost}))
    elif done.lost:
        say(f"{done.done:,} values encrypted anew")
        note(f"{done.lost:,} are damaged, or sealed with a key that is not configured")
        raise typer.Exit(Exit.FAILED)
    else:
        say(
            f"{done.done:,} values encrypted anew; all open with the first key alone",
            "the other encryption_keys are needed for older backups only",
        )


async def opened(config: "Config") -> None:
    from bridge.store import open_store
    from bridge.vault import Vault

    vault = Vault([key.get_secret_value() for key in config.encryption_keys])
    async with open_store(config.database.get_secret_value(), vault):
        """Opening is what migrates."""


def configuration(config: str | None, *, dev: bool) -> "Config":
    from bridge.cli.configuration import found

    return found({"config": config}, dev=dev)
