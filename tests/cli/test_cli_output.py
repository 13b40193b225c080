"""What is printed: nothing that others wrote may steer a terminal."""

import json
import sys
from pathlib import Path

import pytest

from bridge.cli.output import NAME, as_json, facts, plain, program, say_facts, say_table

HOSTILE = "ok\x1b]0;owned\x07\u202egnp\ud800\x9b2J"


def test_control_characters_never_reach_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A provider's error text could otherwise rewrite what is on the screen."""
    say_table(["a"], [[HOSTILE]])
    say_facts(facts({"a": HOSTILE, HOSTILE: 1, "list": [HOSTILE]}))
    shown = capsys.readouterr().out
    assert not set(HOSTILE) - set("ok]0;ownedgnp2J") & set(shown)


def test_json_stays_what_it_was_and_is_safe_to_look_at() -> None:
    """Programs need the exact text, people may pipe it to a terminal."""
    written = as_json({"word": HOSTILE, "chinese": "排队"})
    assert json.loads(written) == {"word": HOSTILE, "chinese": "排队"}
    assert "排队" in written
    assert written.replace("\n", "").isprintable()


def test_facts_leave_out_what_is_not_known() -> None:
    """Of thirty fields most are null."""
    told = {
        "state": "ended",
        "error": None,
        "ok": False,
        "metadata": {},
        "warnings": [],
        "events": ["task.ended", "task.updated"],
        "result": {"files": [{"kind": "video"}, {"kind": "last_frame"}]},
    }
    assert dict(facts(told)) == {
        "state": "ended",
        "ok": "false",
        "events": "task.ended, task.updated",
        "result.files.1.kind": "video",
        "result.files.2.kind": "last_frame",
    }


def test_values_of_every_kind_fit_on_a_line() -> None:
    """Also those nobody has thought of."""
    assert [plain(each) for each in (1.5, True, None, [1, "a\n"], "a\tb")] == [
        "1.5",
        "true",
        "-",
        '[1, "a\\n"]',
        "a?b",
    ]


def test_lines_to_be_pasted_name_the_program_as_a_shell_finds_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whoever starts it out of a virtual environment has no `poll-bridge` on the path."""
    (tmp_path / NAME).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    for called in (".venv/bin/poll-bridge", "/opt/x/poll-bridge", "pytest"):
        monkeypatch.setattr(sys, "argv", [called])
        assert program() == NAME
    monkeypatch.setenv("PATH", "")
    for called, said in (
        (".venv/bin/poll-bridge", ".venv/bin/poll-bridge"),
        ("/my tools/poll-bridge", "'/my tools/poll-bridge'"),
        ("/x/bridge/__main__.py", "python -m bridge"),
    ):
        monkeypatch.setattr(sys, "argv", [called])
        assert program() == said
