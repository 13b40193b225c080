"""The two READMEs say the same, and what they tell people to type exists."""

import re
import shlex
from itertools import groupby
from pathlib import Path

import pytest
import typer

from bridge.cli.app import app
from bridge.simulator.script import magic

ROOT = Path(__file__).parent.parent
ENGLISH, CHINESE = "README.md", "README.zh-CN.md"
BOTH = (ENGLISH, CHINESE)

_FENCED = re.compile(r"(?ms)^```.*?^```$")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def text_of(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def fenced(text: str) -> list[str]:
    return _FENCED.findall(text)


def indented(text: str) -> list[str]:
    lines = _FENCED.sub("", text).splitlines()
    runs = groupby(lines, key=lambda line: line.startswith("    "))
    return ["\n".join(run) for is_code, run in runs if is_code]


def headings(text: str) -> list[str]:
    return re.findall(r"(?m)^(#+) ", _FENCED.sub("", text))


def links(name: str) -> list[str]:
    """Those that lead anywhere but to the other README."""
    return sorted(link for link in _LINK.findall(text_of(name)) if link not in BOTH)


def commands(text: str) -> list[list[str]]:
    """What follows `poll-bridge` on each line of code."""
    found = re.findall(r"(?m)poll-bridge ([a-z][^#\n)]*)", "\n".join(indented(text)))
    return [shlex.split(each) for each in found]


def unknown_words(words: list[str]) -> list[str]:
    """The words that name no command and no option."""
    command = typer.main.get_command(app)
    unknown = []
    for word in words:
        below = getattr(command, "commands", {})
        if word in below:
            command = below[word]
        elif below or word.startswith("-"):
            options = {name for each in command.params for name in each.opts}
            unknown += [] if word in options else [word]
    return unknown


def test_both_have_the_same_code() -> None:
    """
    A command that was mended in one language only fails for the readers of the other.
    """
    english, chinese = text_of(ENGLISH), text_of(CHINESE)
    assert len(fenced(english)) >= 3
    assert fenced(chinese) == fenced(english)
    assert len(indented(english)) >= 5
    assert indented(chinese) == indented(english)


def test_both_have_the_same_parts() -> None:
    """
    A part that is missing in one language is not missed by those who wrote the other.
    """
    english, chinese = text_of(ENGLISH), text_of(CHINESE)
    assert headings(chinese) == headings(english) != []
    assert chinese.count("\n| ") == english.count("\n| ") > 0


def test_both_have_the_same_links_and_lead_to_each_other() -> None:
    """
    Who comes to the wrong language first has to find the other one.
    """
    assert links(CHINESE) == links(ENGLISH) != []
    assert f"]({CHINESE})" in text_of(ENGLISH)
    assert f"]({ENGLISH})" in text_of(CHINESE).split("\n## ")[0]


@pytest.mark.parametrize("name", BOTH)
def test_every_link_leads_to_a_file(name: str) -> None:
    """
    A page that was moved leaves readers at an error page of the code host.
    """
    inside = [link.partition("#")[0] for link in links(name) if "://" not in link]
    assert [link for link in inside if not (ROOT / link).exists()] == []


def test_every_command_that_is_shown_exists() -> None:
    """
    An option that has been renamed fails in the first minute of somebody's trial.
    """
    shown = commands(text_of(ENGLISH))
    assert len(shown) >= 5
    assert {
        " ".join(each): unknown_words(each) for each in shown if unknown_words(each)
    } == {}


@pytest.mark.parametrize("name", BOTH)
def test_every_promise_says_how_it_is_tested(name: str) -> None:
    """
    A promise without a test is an advertisement.
    """
    promises = text_of(name).split("\n## ")[-1]
    rows = re.findall(r"(?m)^\| (.+) \|(.*)\|$", promises)[1:]
    assert len(rows) == 11
    assert [promise for promise, tested in rows if not tested.strip()] == []


def test_the_sandbox_ids_that_are_shown_are_those_there_are() -> None:
    """
    Somebody's first request is one of them; a slip in it ends as "not found".
    """
    part = text_of(ENGLISH).split("`sandbox` provider")[1].split("\n\n")[0]
    shown = re.findall(r"`([^`]+)`", part)
    assert len(shown) >= 9
    assert [each for each in shown if magic(each) is None] == []
