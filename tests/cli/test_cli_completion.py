"""What a shell offers when Tab is pressed."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from bridge.cli import completing
from bridge.cli.app import app
from bridge.cli.reference import commands
from bridge.messages.events import ENDS
from bridge.providers.catalogue import preset_names
from tests.cli.commands import environment

PROGRAM = str(Path(sys.executable).parent / "poll-bridge")
BY_BASH = """
source /dev/stdin
COMP_WORDS=(poll-bridge hooks li); COMP_CWORD=2
_poll_bridge_completion {program}
echo "${{COMPREPLY[@]}}"
"""


def ran(*args: str, stdin: str = "", **env: str) -> str:
    done = subprocess.run(
        args,
        input=stdin,
        env=environment(**env),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize(
    ("shell", "says"),
    [
        ("bash", "complete -o default -F _poll_bridge_completion poll-bridge"),
        ("zsh", "#compdef poll-bridge"),
    ],
)
def test_there_is_a_script_for_each_shell(shell: str, says: str) -> None:
    """It goes into a file that the shell reads at its start."""
    script = ran(PROGRAM, _POLL_BRIDGE_COMPLETE=f"source_{shell}")
    assert says in script
    assert f"_POLL_BRIDGE_COMPLETE=complete_{shell}" in script


def test_bash_completes_a_command() -> None:
    """The script and the command understand each other, in a real shell."""
    script = ran(PROGRAM, _POLL_BRIDGE_COMPLETE="source_bash")
    told = ran("bash", "-c", BY_BASH.format(program=PROGRAM), stdin=script)
    assert told == "list\n"


def test_zsh_is_offered_a_command_with_its_help() -> None:
    """It shows them side by side."""
    told = ran(
        PROGRAM, _POLL_BRIDGE_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS="poll-bridge ta"
    )
    assert '"tail":"Show events as they happen' in told


def test_the_help_says_how_to_install_it() -> None:
    names = [option for each in get_command(app).params for option in each.opts]
    assert {"--install-completion", "--show-completion"} <= set(names)


def offered(command: str, name: str, incomplete: str) -> list[str]:
    """For one option or argument."""
    found = dict(commands())[command]
    [param] = [each for each in found.params if each.name == name]
    context: Any = found.make_context(command, [], resilient_parsing=True)
    return [item.value for item in param.shell_complete(context, incomplete)]


@pytest.mark.parametrize(
    ("command", "name", "incomplete", "words"),
    [
        ("subscribe", "provider", "am", ["amux"]),
        ("subscribe", "event", "task.e", ["task.ended", "task.expired"]),
        ("subscribe", "format_", "f", ["flat", "form", "feishu"]),
        ("subscribe", "method", "", ["POST", "GET"]),
        ("tail", "type_", "task.u", ["task.unreachable", "task.updated"]),
        ("list", "state", "", ["active", "ended", "stopped"]),
        ("list", "status", "r", ["running"]),
        ("list", "outcome", "t", ["timed_out"]),
        ("replay", "state", "ex", ["exhausted"]),
        ("hooks add", "provider", "sand", ["sandbox"]),
        ("providers try", "provider", "newapi-", ["newapi-openai"]),
    ],
)
def test_words_of_closed_lists_are_offered(
    command: str, name: str, incomplete: str, words: list[str]
) -> None:
    """Nobody has to look them up."""
    assert offered(command, name, incomplete) == words


def test_all_ends_are_offered() -> None:
    assert set(completing.event_types("")) > set(ENDS)


def test_providers_of_the_configuration_are_offered_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as it can be read: whoever is just writing it may press Tab."""
    assert completing.provider_names("") == preset_names()
    file = tmp_path / "config.yaml"
    file.write_text("providers: {rong-us: {preset: rong}, amux: {}}")
    assert completing.provider_names("rong") == ["rong", "rong-us"]
    for faulty in ("providers: [", "providers: [1]", "7", "", "\x00"):
        file.write_text(faulty)
        assert completing.provider_names("") == preset_names()
    elsewhere = tmp_path / "other.yaml"
    elsewhere.write_text("providers: {mine: {}}")
    monkeypatch.setenv("BRIDGE_CONFIG", str(elsewhere))
    assert completing.provider_names("mi") == ["mine", "mixroute"]


def test_completing_loads_nothing_heavy() -> None:
    """It runs at each press of Tab."""
    heavy = "aiohttp asyncio cryptography pydantic rich starlette typer"
    told = ran(
        sys.executable,
        "-c",
        "import sys; from bridge.cli.completing import *; provider_names(''); "
        "event_types(''); formats(''); statuses(''); "
        f"print([each for each in {heavy.split()} if each in sys.modules])",
    )
    assert told == "[]\n"


@pytest.mark.parametrize("option", ["--install-completion", "--show-completion"])
def test_no_other_command_is_taken_over(option: str, tmp_path: Path) -> None:
    """What a shell completes is one word: of `python -m bridge` that would be python."""
    home = {"HOME": str(tmp_path)}  # nobody else's
    refused = CliRunner().invoke(app, [option], prog_name="python -m bridge", env=home)
    assert [*tmp_path.iterdir()] == []
    assert refused.exit_code == 2
    assert f"write poll-bridge {option}" in refused.stderr
