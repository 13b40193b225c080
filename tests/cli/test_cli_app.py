"""The edge: help, errors in lines, and a quick start."""

import subprocess
import sys
from pathlib import Path

import pytest

from bridge import __version__
from bridge.cli.exits import (
    CommandFailed,
    Exit,
    UsageFault,
    exit_code,
    lines,
    raised_on_purpose,
)
from bridge.cli.reference import commands
from bridge.errors import (
    BridgeError,
    ConfigError,
    SealBroken,
    StoreLocked,
    VerificationError,
)
from tests.cli.commands import environment, finished, invoke, told


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_command_explains_itself(name: str) -> None:
    """Help that fails is found by the one who needs it."""
    result = invoke(*name.split(), "--help")
    assert result.exit_code == 0
    assert f"Usage: poll-bridge {name}" in result.stdout


def test_the_help_names_every_command() -> None:
    """What is not listed does not exist."""
    listed = invoke("--help").stdout
    assert all(f"\n  {name.split()[0]} " in listed for name, _ in commands())


def test_a_slip_in_a_command_is_recognised() -> None:
    """And is a usage error for scripts."""
    result = invoke("serv")
    assert (result.exit_code, "Did you mean 'serve'" in result.stderr) == (2, True)


def test_the_version_is_told_in_three_ways(tmp_path: Path) -> None:
    """Bug reports begin with it."""
    assert invoke("--version").stdout == f"poll-bridge {__version__}\n"
    assert invoke("version").stdout.splitlines()[0] == f"poll-bridge {__version__}"
    assert sorted(told("version")) == ["poll-bridge", "python", "sqlite"]
    assert finished("--version", cwd=tmp_path) == (0, f"poll-bridge {__version__}\n")


def test_what_a_user_can_cause_has_no_traceback(tmp_path: Path) -> None:
    """A traceback says: not your fault, and nothing you can do."""
    code, said = finished("check", cwd=tmp_path)
    assert (code, said.count("\n")) == (2, 1)


def test_debug_shows_where_it_came_from(tmp_path: Path) -> None:
    """For whoever doubts the line."""
    code, said = finished("--debug", "check", cwd=tmp_path)
    assert code == 1
    assert "Traceback" in said
    assert "ConfigError" in said


def test_starting_loads_nothing_heavy() -> None:
    """Shell scripts call it in loops, and health checks every few seconds."""
    heavy = "aiohttp aiosqlite asyncio cryptography pydantic rich starlette uvicorn yaml"
    program = (
        "import sys; import bridge.cli.app; "
        f"print([each for each in {heavy.split()} if each in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "[]\n"


@pytest.mark.parametrize(
    ("error", "code", "first"),
    [
        (ConfigError("a: x", "b: y"), Exit.USAGE, "a: x"),
        (
            StoreLocked("f is in use"),
            Exit.UNAVAILABLE,
            "database: f is in use; that has to be stopped, or done, first",
        ),
        (
            SealBroken("credential: changed"),
            Exit.UNAVAILABLE,
            "encryption_keys do not open the database: credential: changed",
        ),
        (VerificationError("no signature"), Exit.FAILED, "no signature"),
        (CommandFailed("gone", code=Exit.UNAVAILABLE), Exit.UNAVAILABLE, "gone"),
        (UsageFault("-H: odd"), Exit.USAGE, "-H: odd"),
    ],
)
def test_each_kind_of_error_has_its_code(
    error: BridgeError, code: Exit, first: str
) -> None:
    """Scripts tell by it whether to try again, and whom to wake."""
    assert exit_code(error) is code
    assert lines(error)[0] == first


def test_errors_of_ours_are_found_inside_groups_but_bugs_are_bugs() -> None:
    """A loop that fails raises a group; hiding a bug in lines would lose its place."""
    ours, bug = SealBroken("event: changed"), KeyError("x")
    assert raised_on_purpose(ExceptionGroup("", [ExceptionGroup("", [ours])])) == [ours]
    assert raised_on_purpose(ExceptionGroup("", [ours, bug])) == []
    assert raised_on_purpose(bug) == []


def test_an_interrupted_command_says_so_by_its_code() -> None:
    """130 is what shells expect of Ctrl-C."""
    assert Exit.INTERRUPTED == 128 + 2
