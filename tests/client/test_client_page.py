"""What docs/client.md tells people to paste must work as it stands there."""

import re
from pathlib import Path

import pytest

from bridge import client
from tests.cli.commands import Bridge

PAGE = (Path(__file__).parents[2] / "docs" / "client.md").read_text("utf-8")
SNIPPETS = re.findall(r"(?ms)^```python\n(.*?)^```$", PAGE)
KEY = "an-api-key-of-the-client-page"


def test_what_is_to_be_pasted_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Against a bridge that was just started."""
    with Bridge(tmp_path, "--dev", PORT="0", BRIDGE_API_KEY=KEY) as bridge:
        monkeypatch.setenv("BRIDGE_URL", bridge.url)
        monkeypatch.setenv("BRIDGE_API_KEY", KEY)
        for snippet in SNIPPETS:
            filled = snippet.replace("http://127.0.0.1:8080", bridge.url)
            exec(compile(filled.replace("your-api-key", KEY), "client.md", "exec"), {})  # noqa: S102
    said = capsys.readouterr().out
    assert "succeeded " in said
    assert "failed {'order': 7}" in said


def test_every_name_it_has_is_told() -> None:
    for name in client.__all__:
        assert (
            f"`{name}" in PAGE
            or f" {name}" in PAGE
            or name in ("Event", "Subscription", "FieldFault")
        ), name
