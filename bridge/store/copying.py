"""A second SQLite file of what was committed at one instant."""

import contextlib
import os
import sqlite3
from pathlib import Path

from bridge.errors import StoreUnavailable

ENDS = ("-journal", "-wal", "-shm")


class CopyFailed(StoreUnavailable):
    """There is no copy. One line for each thing there is to say."""


def copy(origin: sqlite3.Connection, target: Path) -> None:
    """Whole, checked and on disk before it gets its name; readable by its owner alone.

    Raises OSError if `target` cannot be written, CopyFailed if it would not be sound.
    """
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        # O_EXCL also refuses a symlink that somebody left there.
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        write(origin, part)
        sync(part)
        os.replace(part, target)
        sync(target.absolute().parent)
    finally:
        for leftover in (part, *(part.with_name(part.name + end) for end in ENDS)):
            leftover.unlink(missing_ok=True)


def write(origin: sqlite3.Connection, target: Path) -> None:
    """In one step: a copy in several would begin anew whenever the bridge writes."""
    try:
        with contextlib.closing(sqlite3.connect(target)) as written:
            written.execute("PRAGMA temp_store = MEMORY")
            origin.backup(written, pages=-1)
            # One file, complete without its -wal; the bridge turns it back by itself.
            written.execute("PRAGMA journal_mode = DELETE")
            found = written.execute("PRAGMA integrity_check").fetchall()
    except sqlite3.Error as error:
        raise CopyFailed(f"the copy failed: {error}") from error
    if [tuple(row) for row in found] != [("ok",)]:
        faults = (str(row[0]) for row in found[:10])
        raise CopyFailed("\n".join(("the copy is damaged:", *faults)))


def sync(path: Path) -> None:
    """A file's content, or the names in a folder, so that they survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
