"""The pages of docs/ hang together, and what they show can be typed."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.model import AttemptOutcome, DeliveryState, PollOutcome
from tests.test_readmes import unknown_words

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
SITE: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))

_FENCE = re.compile(r"(?ms)^```(\w+)\n(.*?)^```$")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def in_nav(part: Any) -> Iterator[str]:
    """
    >>> list(in_nav([{"A": "a.md"}, "b.md", {"C": [{"D": "d.md"}]}]))
    ['a.md', 'b.md', 'd.md']
    """
    if isinstance(part, str):
        yield part
    else:
        for each in part.values() if isinstance(part, dict) else part:
            yield from in_nav(each)


def anchors(page: Path) -> set[str]:
    """As mkdocs makes them of headings."""
    text = re.sub(r"(?ms)^```.*?^```$", "", page.read_text("utf-8"))
    found = re.findall(r"(?m)^#+ (.+)$", text)
    plain = (re.sub(r"[^\w\s-]", "", each).strip().lower() for each in found)
    return {re.sub(r"[-\s]+", "-", each) for each in plain}


def blocks(language: str) -> list[Any]:
    return [
        pytest.param(body, id=f"{page.name}-{number}")
        for page in PAGES
        for number, (name, body) in enumerate(_FENCE.findall(page.read_text("utf-8")))
        if name == language
    ]


def test_every_page_is_in_the_navigation_once() -> None:
    """A page that nothing leads to is not read."""
    assert sorted(in_nav(SITE["nav"])) == [page.name for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_and_anchor_leads_somewhere(page: Path) -> None:
    """Who looks for help at night does not want to search."""
    lost = []
    text = re.sub(r"(?ms)^```.*?^```$", "", page.read_text("utf-8"))
    for link in _LINK.findall(text):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        to = (page.parent / path).resolve() if path else page
        if not to.exists() or (anchor and anchor not in anchors(to)):
            lost.append(link)
    assert lost == []


def test_no_page_asks_another_host() -> None:
    """Fonts, stars and scripts of others see who reads what, and are missing offline."""
    assert SITE["theme"]["font"] is False
    assert "repo_url" not in SITE
    assert not {"extra_javascript", "extra_css"} & set(SITE)
    loaded = re.compile(r"!\[[^\]]*\]\(https?:|<(?:script|img|link|iframe)\b")
    assert [page.name for page in PAGES if loaded.search(page.read_text("utf-8"))] == []


@pytest.mark.parametrize("body", blocks("json"))
def test_what_is_shown_as_json_is_json(body: str) -> None:
    """People paste it."""
    assert json.loads(body)


@pytest.mark.parametrize("body", blocks("yaml"))
def test_what_is_shown_as_yaml_is_yaml(body: str) -> None:
    """Likewise."""
    assert yaml.safe_load(body)


@pytest.mark.parametrize("body", blocks("python"))
def test_what_is_shown_as_python_compiles(body: str) -> None:
    """Likewise."""
    compile(body, "docs", "exec")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_shown_exists(page: Path) -> None:
    """An option that was renamed fails for whoever has least time."""
    code = "\n".join(
        body for name, body in _FENCE.findall(page.read_text("utf-8")) if name == "sh"
    )
    code += "\n".join(re.findall(r"(?m)^ {4}(.*)$", page.read_text("utf-8")))
    shown = re.findall(r"(?m)(?:^|\$\(|^\. \S+ && )poll-bridge ([a-z][^#\n)|]*)", code)
    assert [each for each in shown if unknown_words(each.split())] == []


def test_every_word_of_a_state_has_its_line_in_troubleshooting() -> None:
    """Somebody upset has one of these words before them, and looks for it."""
    page = (DOCS / "troubleshooting.md").read_text("utf-8")
    words = set(re.findall(r"`(?:delivery\.state: |state: )?([a-z_]+)`", page))
    told_elsewhere = {
        DeliveryState.SUPERSEDED,
        DeliveryState.PRESUMED,
        DeliveryState.STOPPED,
    }
    assert set(DeliveryState) - told_elsewhere <= words
    assert set(PollOutcome) - {PollOutcome.ENDED} <= words
    attempts = page.split("## It is sent, and refused")[1].split("\n## ")[0]
    rows = re.findall(r"(?m)^\| (`.*?) \|", attempts)
    told = {word for row in rows for word in re.findall(r"`([a-z_]+)`", row)}
    assert len(told) >= 7
    assert told <= set(AttemptOutcome)
