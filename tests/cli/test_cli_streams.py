"""Streams that whoever starts us has closed."""

import subprocess
import sys
from pathlib import Path

import pytest

from bridge.cli.exits import Exit
from tests.cli.commands import STOP_S, environment


def redirected(command: str, how: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """The command, its streams as a shell is told."""
    return subprocess.run(
        ["sh", "-c", f'exec "$0" -m bridge {command} {how}', sys.executable],
        cwd=cwd,
        env=environment(),
        input="",
        capture_output=True,
        text=True,
        timeout=STOP_S,
        check=False,
    )


@pytest.mark.parametrize("how", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(("command", "code"), [("version", 0), ("sign", 2)])
def test_a_closed_stream_is_done_without(
    tmp_path: Path, how: str, command: str, code: int
) -> None:
    """Supervisors close what they have no use for."""
    ran = redirected(command, how, tmp_path)
    assert (ran.returncode, "Traceback" in ran.stderr) == (code, False), ran.stderr
    assert bool(ran.stdout) == (code == 0 and ">&-" not in how.split())


def test_nothing_else_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    """A database that became standard output would be written into."""
    program = (
        "import os; from bridge.cli.streams import ready; ready(); "
        "os.write(3, str(os.open('f', os.O_CREAT)).encode())"
    )
    ran = subprocess.run(
        ["sh", "-c", f'exec "$0" -c "{program}" 3>&1 <&- >&- 2>&-', sys.executable],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(ran.stdout) > 3


def test_serve_does_without_its_streams(tmp_path: Path) -> None:
    """It tells the log and nobody else."""
    ran = redirected("serve --listen nowhere", "<&- >&- 2>&-", tmp_path)
    assert ran.returncode == Exit.USAGE
