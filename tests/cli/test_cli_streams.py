"""Streams that whoever starts us has closed, or that take nothing."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from bridge.cli.exits import Exit
from bridge.cli.receiving import Receiver
from bridge.cli.streams import Output, OutputLost, nowhere
from tests.cli.commands import STOP_S, Bridge, environment, unread
from tests.client.test_client_connection import serving

FULL = Path("/dev/full")
NO_ROOM = "the output could not be written: No space left on device\n"
needs_full = pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")


@pytest.fixture
def full() -> Iterator[Output]:
    with Output(FULL.open("wb")) as output:
        yield output


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


@needs_full
@pytest.mark.parametrize(
    "command", ["version", "version --json", "providers list", "--version", "--help"]
)
def test_output_that_has_no_room_is_told_in_a_line(tmp_path: Path, command: str) -> None:
    """A script that redirects into a file must not take half of it for all."""
    ran = redirected(command, f"> {FULL}", tmp_path)
    assert (ran.returncode, ran.stderr) == (Exit.UNAVAILABLE, NO_ROOM)


@needs_full
def test_what_a_command_of_a_running_bridge_shows_may_have_no_room(served: Bridge) -> None:
    """Tables and JSON alike."""
    for command in ("list", "list --json"):
        ran = redirected(f"{command} --url {served.url}", f"> {FULL}", served.folder)
        assert (ran.returncode, ran.stderr) == (Exit.UNAVAILABLE, NO_ROOM)


@needs_full
async def test_a_receiver_whose_output_has_no_room_answers_and_ends(
    full: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has taken must not come again; what it has not shown is no success."""
    monkeypatch.setattr(sys, "stdout", full)
    receiver = Receiver([], answer=202, count=None, json=True)
    async with serving(receiver.serve) as url:
        for _ in range(2):
            async with aiohttp.request("POST", url) as answer:
                assert answer.status == 202
    with pytest.raises(OutputLost, match="No space left"):
        await receiver.listen(0)


@needs_full
def test_standard_output_that_failed_once_takes_the_rest_in_silence(full: Output) -> None:
    """Python writes what is left when it ends, and would end with a code of its own."""
    with pytest.raises(OutputLost, match="No space left"):
        print("lost", file=full, flush=True)
    print("after it", file=full, flush=True)


def test_nobody_reading_is_no_fault_of_standard_output() -> None:
    """`| head -1` is a usual end."""
    with unread() as pipe, Output(pipe.buffer) as output:
        with pytest.raises(BrokenPipeError):
            print("unread", file=output, flush=True)
        nowhere(output.fileno())
