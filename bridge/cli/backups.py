"""Copies of a database: made here of a SQLite file; for PostgreSQL, how to make them."""

import re
import shlex
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from bridge.cli.exits import CommandFailed, UsageFault
from bridge.cli.files import must_exist, reading
from bridge.config import Config
from bridge.store.copying import CopyFailed, copy

# What pg_dump takes in a URL; all else there is a setting of the driver's. Not a password.
KNOWN = re.compile(
    "host|port|dbname|user|passfile|service|target_session_attrs|connect_timeout|"
    "ssl(mode|negotiation|rootcert|cert|key|crl|_m(in|ax)_protocol_version)|krbsrvname"
)


def back_up(source: Path, target: Path, *, replace: bool) -> int:
    """Copy a database that may be in use, and return the size of the copy in bytes.

    The copy is what was committed at one instant, whole and checked before it gets its
    name, and readable by its owner alone. Raises UsageFault if `target` exists or cannot
    be written, StoreUnavailable if `source` cannot be read, CommandFailed if the copy is
    not sound.
    """
    must_exist(source)
    if target.exists() and not replace:
        raise UsageFault(f"{target}: exists already; --force replaces it")
    if target.exists() and target.samefile(source):
        raise UsageFault(f"{target}: is the database itself")
    with reading(source) as origin:
        origin.execute("SELECT count(*) FROM sqlite_schema")  # faults of its own come here
        try:
            copy(origin, target)
        except OSError as error:
            raise UsageFault(f"{target}: cannot be written: {error.strerror}") from error
        except CopyFailed as error:
            raise CommandFailed(*str(error).splitlines()) from error
    return target.stat().st_size


def check_file(config: Config, target: str) -> None:
    """Raises UsageFault for PostgreSQL, which has a tool of its own."""
    if config.shared:
        # Not through a pooler: the tool keeps settings for as long as it is connected.
        url = (config.listen_database or config.database).get_secret_value()
        raise UsageFault(
            "backup: copies SQLite only; PostgreSQL is backed up, also while in use, by",
            f"  {dump_command(url, target)}",
            "It asks for the password, or takes it from PGPASSWORD or ~/.pgpass.",
        )


def dump_command(url: str, target: str) -> str:
    """
    >>> dump_command("postgresql://me:secret@db.example.com/bridge?sslmode=require", "a b")
    "pg_dump --format=custom --file='a b' 'postgresql://me@db.example.com/bridge?sslmode=require'"
    """
    place = shlex.quote(without_password(url))
    return f"pg_dump --format=custom --file={shlex.quote(target)} {place}"


def without_password(url: str) -> str:
    """
    >>> without_password("postgres://me:p%40ss@a:1,b:2/x?password=y&search_path=z")
    'postgres://me@a:1,b:2/x'
    >>> without_password("postgresql:///bridge?host=/run/postgresql")
    'postgresql:///bridge?host=/run/postgresql'

    Nor one that is not written as a URL wants it:

    >>> without_password("postgresql://me:a/b#c@h/x")
    'postgresql://me@h/x'
    """
    scheme, _, rest = url.partition("://")
    place, _, settings = rest.partition("?")
    owner, at, where = place.rpartition("@")
    kept = [pair for pair in parse_qsl(settings) if KNOWN.fullmatch(pair[0])]
    query = f"?{urlencode(kept, safe='/,:')}" if kept else ""
    return f"{scheme}://{owner.partition(':')[0]}{at}{where}{query}"
