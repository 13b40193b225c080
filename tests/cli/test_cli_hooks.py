"""`hooks` against a real bridge."""

from pathlib import Path

import pytest

from tests.cli.commands import Bridge, invoke, told

SECRET = "whsec_aG9vay1zZWNyZXQtb2YtbW9yZS10aGFuLTI0LWJ5dGVz"


@pytest.fixture
def at(served: Bridge, monkeypatch: pytest.MonkeyPatch) -> str:
    """In the bridge's directory, as a second terminal is."""
    monkeypatch.chdir(served.folder)
    monkeypatch.setenv("BRIDGE_URL", served.url)
    return served.url


def test_a_hook_is_made_listed_and_removed(at: str) -> None:
    made = told(
        *("hooks", "add", f"{at}/hints/a", "--event", "task.failed"),
        *("--provider", "sandbox", "--format", "flat"),
    )
    assert (made["events"], made["provider"]) == (["task.failed"], "sandbox")
    assert made["format"] == "flat"
    assert made["signing_secret"].startswith("whsec_")
    again = invoke("hooks", "add", f"{at}/hints/b")
    assert "signing_secret " in again.stdout
    page = told("hooks", "list", "--limit", "1")
    assert [each["url"] for each in page["items"]] == [f"{at}/hints/b"]
    table = invoke("hooks", "list", "--limit", "1", "--cursor", page["next_cursor"])
    assert made["id"] in table.stdout
    more = invoke("hooks", "list", "--limit", "1")
    assert "there are more: --cursor " in more.stderr
    removed = invoke("hooks", "remove", made["id"])
    assert (removed.exit_code, removed.stdout) == (0, f"removed: {made['id']}\n")
    assert made["id"] not in invoke("hooks", "list").stdout
    assert told("hooks", "remove", made["id"]) == {"id": made["id"], "removed": True}


def test_secrets_of_a_hook_come_from_files(at: str) -> None:
    """What is not shown again counts for whether a request is the same."""
    Path("auth.json").write_text('{"type": "bearer", "token": "t0p"}')
    Path("secret").write_text(f"{SECRET}\n")
    add = ("hooks", "add", f"{at}/hints/c", "--auth", "@auth.json")
    made = told(*add, "--signing-secret", "@secret")
    assert "signing_secret" not in made
    assert told(*add, "--signing-secret", SECRET)["id"] == made["id"]
    assert told(*add, env={"HOOK_SIGNING_SECRET": "@secret"})["id"] == made["id"]
    assert told(*add)["id"] != made["id"]


def test_a_hook_is_tested(at: str) -> None:
    """As a callback is; scripts branch on what came of it."""
    good = told("hooks", "add", f"{at}/hints/d")["id"]
    result = invoke("hooks", "test", good, "--type", "task.expired")
    assert (result.exit_code, result.stderr) == (0, "accepted\n")
    assert "task.expired" in result.stdout
    bad = told("hooks", "add", "http://127.0.0.1:9/")["id"]
    refused = invoke("hooks", "test", bad)
    assert refused.exit_code == 1
    assert "Nothing accepts connections there" in refused.stderr


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("test", "hook_none"), 1, "404 hook_not_found"),
        (("test", "sub_x"), 2, "give the id of a hook, hook_…"),
        (("remove", "hook_none"), 1, "404 hook_not_found"),
        (("remove", "../livez"), 2, "give the id of a hook, hook_…"),
        (("add", "ftp://a.test"), 1, "url"),
        (("add", "https://a.test", "--signing-secret", "@no"), 2, "--signing-secret: no"),
    ],
)
def test_refusals_are_told(at: str, args: tuple[str, ...], code: int, says: str) -> None:
    result = invoke("hooks", *args)
    assert (result.exit_code, says in result.stderr) == (code, True), result.stderr
