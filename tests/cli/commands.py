"""Runs commands: in this process, or as a user would."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TextIO

from typer.testing import CliRunner, Result

from bridge.cli.app import app
from bridge.store.sqlite import take_lock

ROOT = Path(__file__).resolve().parents[2]
LISTENING = re.compile(
    r'(?:listening on +|A bridge at )(http://[^\s,]+)|"address": "(http[^"]+)"'
)
STOP_S = 40


def invoke(
    *args: str, stdin: bytes | None = None, env: dict[str, str] | None = None
) -> Result:
    """In this process. What is not told in lines is a bug, and is raised here."""
    result = CliRunner().invoke(app, args, input=stdin, env=env)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def told(*args: str, **given: Any) -> Any:
    """The JSON that a command writes."""
    return json.loads(invoke(*args, "--json", **given).stdout)


def environment(**changes: str) -> dict[str, str]:
    """Of this process, without what configures a bridge."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("BRIDGE_", "PROVIDER_")) and name not in ("PORT", "COLUMNS")
    }
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | changes


HEAR = "signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"


def started(*args: str, cwd: Path, env: Mapping[str, str]) -> "subprocess.Popen[str]":
    """The real command, what it says on either stream in one.

    It hears Ctrl-C even where the tests run in the background of a shell, which has its
    jobs ignore that.
    """
    hearing = ("-c", "import signal, os, sys; " + HEAR, sys.executable, "-m", "bridge")
    return subprocess.Popen(
        [sys.executable, *hearing, *args],
        cwd=cwd,
        env=environment(**env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(*args: str, cwd: Path, **env: str) -> tuple[int, str]:
    """Its exit code, and all it said."""
    process = started(*args, cwd=cwd, env=env)
    output, _ = process.communicate(timeout=STOP_S)
    return process.returncode, output


@contextmanager
def unread() -> Iterator[TextIO]:
    """A pipe whose reader is gone."""
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "w") as pipe:
        yield pipe


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """As long as a bridge would be serving from it."""
    lock = take_lock(database)
    try:
        yield
    finally:
        os.close(lock)


class Bridge:
    """``serve`` as a process of its own, from `with` to its end."""

    command = "serve"

    def __init__(self, folder: Path, *args: str, **env: str) -> None:
        self.folder, self.args, self.env = folder, args, env
        self.url, self.said = "", ""

    def __enter__(self) -> Self:
        self.process = started(self.command, *self.args, cwd=self.folder, env=self.env)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if found := LISTENING.search(line):
                self.url = found[1] or found[2]
                return self
        raise AssertionError(f"it never listened: {self.process.wait()} {self.said}")

    def __exit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.stop(signal.SIGKILL)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        self.rest()
        return self.process.returncode

    def rest(self) -> str:
        """All it said, once it has ended."""
        assert self.process.stdout is not None
        with self.process.stdout as rest:  # some of it is in its buffer already
            self.said += rest.read()
        self.process.wait(timeout=STOP_S)
        return self.said
