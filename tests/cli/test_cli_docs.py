"""docs/cli.md says of the commands what they say of themselves."""

import re

import pytest

from bridge.cli.exits import MEANINGS, Exit
from bridge.cli.reference import commands, exit_codes, own_options, shared_options
from tests.cli.commands import ROOT

PAGE = (ROOT / "docs" / "cli.md").read_text("utf-8")
SECTIONS = {
    part.partition("\n")[0]: part for part in re.split(r"^## ", PAGE, flags=re.MULTILINE)
}


def test_every_command_has_its_section_in_order() -> None:
    """And no section is about a command that is gone."""
    named = [name for name, _ in commands()]
    assert list(SECTIONS)[-len(named) :] == named
    assert len(SECTIONS) == len(named) + 3  # the introduction, exit codes, shared options


@pytest.mark.parametrize(("name", "options"), list(own_options()))
def test_every_option_is_explained_as_in_the_help(name: str, options: str) -> None:
    """One that is missing here is not found, one too many is tried."""
    section = SECTIONS[name].rstrip()
    assert section.endswith(options.rstrip())
    assert section.count("| option |") == options.count("| option |")


def test_shared_options_are_explained_once() -> None:
    """They mean the same everywhere."""
    assert shared_options() in SECTIONS["Options that several commands have"]


def test_every_exit_code_is_explained() -> None:
    """Scripts are written from this table."""
    assert exit_codes() in SECTIONS["Exit codes"]
    assert set(MEANINGS) == set(Exit)
