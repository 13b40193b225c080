"""What takes long says how far it is, to people and to nobody else."""

import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
import typer

from bridge.cli import database, replaying
from bridge.cli.configuration import found
from bridge.cli.moving import STEP, Watched
from bridge.cli.output import say_styled
from bridge.cli.place import place_of
from bridge.cli.progress import working
from bridge.cli.rekeying import rekeyed
from bridge.errors import ClientError
from tests.cli.commands import invoke
from tests.settings import ENOUGH

NOBODY = "http://127.0.0.1:9"


class Terminal:
    """Standard output and standard error, and what has been written to either."""

    def __init__(self) -> None:
        self._ours, theirs = os.openpty()
        os.set_blocking(self._ours, False)
        self.stream = os.fdopen(theirs, "w", encoding="utf-8")

    def written(self) -> str:
        self.stream.flush()
        pieces: list[bytes] = []
        with suppress(BlockingIOError):
            while True:  # a terminal hands out some thousand bytes at a time
                pieces.append(os.read(self._ours, 65_536))
        return b"".join(pieces).decode()

    def close(self) -> None:
        self.stream.close()
        os.close(self._ours)


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    with closing(Terminal()) as shown, monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", shown.stream)
        patched.setattr(sys, "stdout", shown.stream)
        patched.setenv("TERM", "xterm")
        yield shown


def test_people_see_what_is_done_and_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And nothing of it stays on the screen."""
    with terminal(monkeypatch) as it:
        with working("copying [bold]rows", json=False) as advance:
            advance(30, 120)
        seen = it.written()
    assert "copying [bold]rows" in seen
    assert "25%" in seen
    assert seen.endswith("\x1b[2K")


def test_lines_have_their_styles_on_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Behind a pipe they would be in the way of whoever reads."""
    line = [("12:00", "dim"), ("", ""), ("[b]ended\x1b[2J", "green")]
    with terminal(monkeypatch) as it:
        say_styled(line)
        assert "[b]ended?[2J" in (seen := it.written())
    assert "\x1b[32m" in seen
    say_styled(line)
    assert capsys.readouterr().out == "12:00  [b]ended?[2J\n"


def test_programs_see_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither those that read JSON nor those behind a pipe."""
    with terminal(monkeypatch) as it, open(os.devnull, "w") as pipe:
        with working("copying", json=True) as advance:
            advance(1, 2)
        monkeypatch.setattr(sys, "stdout", pipe)
        with working("copying", json=False) as advance:
            advance(1, 2)
        assert it.written() == ""


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (database.migrate, "bringing the database up to date"),
        (lambda: database.backup("copy.db"), "copying and checking the database"),
        (database.rekey, "encrypting anew"),
        (lambda: replaying.replay(yes=True, url=NOBODY, api_key="k"), "having them tried"),
    ],
)
def test_commands_that_may_take_long_say_so(
    command: Callable[[], None], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal that stands still looks like one that hangs."""
    invoke("migrate", env=ENOUGH)
    for name, value in ENOUGH.items():
        monkeypatch.setenv(name, value)
    with terminal(monkeypatch) as it:
        with suppress(typer.Exit, ClientError):
            command()
        assert says in it.written()


async def test_encrypting_anew_tells_of_both_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second proves the first, and takes as long."""
    for name, value in ENOUGH.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "bridge.db").touch()  # what opens it makes its tables
    told: list[tuple[float, float]] = []
    config = found({}, dev=False)
    await rekeyed(config, place_of(config), lambda *far: told.append(far))
    places = len(told) // 2
    assert told == [(done, 2 * places) for done in range(1, 2 * places + 1)]


def test_copying_tells_of_rows_and_forgets_none() -> None:
    """Tables differ by millions of rows: their number would say nothing."""
    told: list[tuple[float, float]] = []
    rows = STEP * 2 + 1
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE one (id INTEGER PRIMARY KEY)")
        connection.execute("CREATE TABLE two (id INTEGER PRIMARY KEY)")
        connection.executemany("INSERT INTO one VALUES (?)", ((n,) for n in range(rows)))
        connection.execute("INSERT INTO two VALUES (7)")
        contents = Watched(connection, lambda *far: told.append(far))
        copied = [*contents.rows("one", ["id"]), *contents.rows("two", ["id"])]
    assert len(copied) == rows + 1
    assert told == [(done, rows + 1) for done in (STEP, 2 * STEP, rows, rows + 1)]
