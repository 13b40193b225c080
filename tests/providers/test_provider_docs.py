"""The handbook shows the pages as they are. To renew its tables, run this file."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.model import Status
from bridge.providers.catalogue import page_of, preset_names
from bridge.providers.reference import key_tables, preset_table, word_table
from bridge.providers.request import check_task, poll_request
from tests.providers.samples import seen

HANDBOOK = Path(__file__).parents[2] / "docs" / "providers.md"


def _tables() -> Iterator[tuple[str, str]]:
    yield "presets", preset_table()
    yield "words", word_table()
    yield (
        "keys",
        "\n".join(
            f"### `{path}`\n\n{table}" if path else table for path, table in key_tables()
        ),
    )


def _renewed(text: str) -> str:
    for name, table in _tables():
        start, end = f"<!-- {name} -->\n", "<!-- end -->"
        before, _, rest = text.partition(start)
        text = before + start + "\n" + table + "\n" + end + rest.partition(end)[2]
    return text


def _examples() -> list[dict[str, Any]]:
    blocks = re.findall(r"```yaml\n(.*?)```", HANDBOOK.read_text("utf-8"), re.DOTALL)
    return [yaml.safe_load(block)["providers"] for block in blocks]


def test_the_tables_are_those_of_the_pages() -> None:
    """A table written by hand is wrong after the first change."""
    text = HANDBOOK.read_text("utf-8")
    assert text == _renewed(text), "run: python -m tests.providers.test_provider_docs"


def test_every_preset_is_in_the_handbook() -> None:
    """What is not written down is not there."""
    for name in preset_names():
        assert f"| `{name}` |" in HANDBOOK.read_text("utf-8")


@pytest.mark.parametrize("example", _examples())
def test_the_examples_are_pages(example: dict[str, Any]) -> None:
    """Examples are copied before anything else is read."""
    for name, settings in example.items():
        known = settings.get("preset") or (name if name in preset_names() else None)
        given = {k: settings[k] for k in ("base_url", "poll") if k in settings}
        assert page_of(known, {**settings.get("page", {}), **given}).words.succeeded


def test_the_page_of_ones_own_does_what_is_said_of_it() -> None:
    """The answer it is made for stands above it."""
    text = HANDBOOK.read_text("utf-8")
    [shown] = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    page = page_of(None, _examples()[-1]["example"]["page"])
    assert check_task(page, "j-1", {"region": "us"}) == []
    request = poll_request(page, str(page.base_url), "j-1", {}, "k")
    assert request.url == "https://api.example.com/v2/jobs/j-1?region=eu"
    assert request.headers["X-Key"] == "k"
    found = seen(page, shown.encode(), task_id="j-1")
    assert (found.status, found.submitted_at) == (Status.SUCCEEDED, 1795176000.0)
    assert found.result is not None
    assert found.result.files[0].provider_url == "https://cdn.example.com/j-1.mp4"
    assert seen(page, {"err": {"no": "NOJOB"}}, http=400).outcome == "not_found"


if __name__ == "__main__":
    HANDBOOK.write_text(_renewed(HANDBOOK.read_text("utf-8")), "utf-8")
    sys.stdout.write(f"{HANDBOOK} is up to date\n")
