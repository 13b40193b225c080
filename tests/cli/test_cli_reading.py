"""What is given to a command is text that can be sent on."""

import subprocess
import sys
from pathlib import Path

import pytest

from bridge.cli.exits import Exit
from bridge.cli.reading import Command
from bridge.cli.reference import commands
from tests.cli.commands import STOP_S, environment, invoke

NOT_TEXT = "sub_\udcff"  # as Python has the bytes sub_\xff
KEY = "--idempotency-key"


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_command_looks_at_what_it_is_given(name: str) -> None:
    """One that does not loses it, or ends in a traceback."""
    assert isinstance(dict(commands())[name], Command)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("show", NOT_TEXT), "ID"),
        (("hooks", "remove", NOT_TEXT), "HOOK_ID"),
        (("list", "--provider", NOT_TEXT), "--provider"),
        (("list", "--json", f"--cursor={NOT_TEXT}"), "--cursor"),
        (("tail", "--type", "task.ended", "--type", NOT_TEXT), "--type"),
        (("subscribe", "a", "b", "-c", NOT_TEXT), "--callback-url"),
        (("subscribe", "a", "b", KEY, NOT_TEXT), KEY),
        (("callbacks", "test", "http://h/", "--header", f"X={NOT_TEXT}"), "--header"),
    ],
)
def test_what_is_not_utf_8_is_refused_by_name(given: tuple[str, ...], named: str) -> None:
    """A filter that is dropped shows what was not asked for."""
    result = invoke(*given)
    assert result.exit_code == Exit.USAGE
    assert f"Invalid value for '{named}'" in result.stderr.replace("' / '-c", "")


def test_a_variable_that_is_not_utf_8_is_refused_too() -> None:
    """It stands for an option."""
    result = invoke("subscribe", "a", "b", env={"PROVIDER_API_KEY": NOT_TEXT})
    assert result.exit_code == Exit.USAGE
    assert "PROVIDER_API_KEY" in result.stderr


def test_bytes_of_a_shell_have_no_traceback(tmp_path: Path) -> None:
    """Nor does the refusal fail on them."""
    ran = subprocess.run(
        [sys.executable, "-m", "bridge", "show", b"sub_\xff"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        check=False,
        timeout=STOP_S,
    )
    assert (ran.returncode, b"Traceback" in ran.stderr) == (Exit.USAGE, False)
    assert b"'ID': it is not UTF-8" in ran.stderr


@pytest.mark.parametrize("key", ["a\nb", "k\u00e9y", "a\x00", "a\x7f", "", " "])
def test_a_key_that_no_header_holds_is_refused(key: str) -> None:
    """A repeat without it would subscribe twice."""
    result = invoke("subscribe", "sandbox", "x", KEY, key)
    assert result.exit_code == Exit.USAGE
    assert f"'{KEY}': it must be printable ASCII characters" in result.stderr
