"""Which configuration a command works with."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.cli import completing
from bridge.cli.configuration import (
    anything_given,
    file_of,
    found,
    in_development,
    listening,
    page_faults,
    signing_secrets,
)
from bridge.cli.exits import UsageFault
from bridge.cli.reaching import key_for
from bridge.config import Provider, load
from bridge.development import minted
from bridge.errors import ConfigError
from tests.settings import ENOUGH, SIGNING_SECRET


def environ(monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, str]:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"PORT": "80"},
        {"BRIDGE_URL": "http://x"},
        {"BRIDGE_API_KEY": "k"},
        {"BRIDGE_LISTEN": "x"},
        {"BRIDGE_ENCRYPTION_KEYS_FILE": "/nowhere"},
    ],
)
def test_nothing_is_given_exactly_when_the_loader_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    """Otherwise `serve` on a terminal would pass over a configuration that has a fault."""
    given = environ(monkeypatch, **variables)
    with pytest.raises(ConfigError) as caught:
        load({}, given, tmp_path)
    nothing = str(caught.value).startswith("no configuration: ")
    assert anything_given({}) is not nothing


def test_a_file_counts_however_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that is not there: who names it means it."""
    assert file_of({}) is None
    assert file_of({"config": "other.yaml"}) == tmp_path / "other.yaml"
    (tmp_path / "config.yaml").touch()
    assert file_of({}) == tmp_path / "config.yaml"
    monkeypatch.setenv("BRIDGE_CONFIG", "/etc/b.yaml")
    assert file_of({}) == Path("/etc/b.yaml")
    assert anything_given({})


def test_beside_serve_dev_its_secrets_are_used_without_asking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But a configuration wins, and a caller's API key is none."""
    assert not in_development({})
    secret = minted(tmp_path).signing_secret
    monkeypatch.setenv("BRIDGE_API_KEY", ENOUGH["BRIDGE_API_KEY"])
    assert in_development({})
    assert [each.value for each in signing_secrets({}, dev=False)] == [secret]
    environ(monkeypatch, **ENOUGH)
    assert not in_development({})
    [one] = signing_secrets({}, dev=False)
    assert (one.owner, one.value) == ("default", SIGNING_SECRET)


def test_secrets_are_not_minted_by_asking_for_them(tmp_path: Path) -> None:
    """Else whoever asks in a wrong directory gets a secret that nobody signs with."""
    with pytest.raises(ConfigError, match="does not exist; `serve --dev` makes it"):
        signing_secrets({}, dev=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("variables", "text", "url"),
    [
        ({}, None, "http://127.0.0.1:8080"),
        ({"PORT": "3000"}, None, "http://127.0.0.1:3000"),
        ({"BRIDGE_LISTEN": "[::]:81"}, None, "http://[::1]:81"),
        ({}, "listen: 10.1.2.3:82\nclients: what?", "http://10.1.2.3:82"),
        ({"PORT": "3000"}, "listen: 10.1.2.3:82", "http://127.0.0.1:3000"),
        ({}, "listen: '${NOT_SET}'", "http://127.0.0.1:8080"),
        ({}, "{ not yaml", "http://127.0.0.1:8080"),
    ],
)
def test_the_listen_address_is_found_whatever_else_is_wrong(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    text: str | None,
    url: str,
) -> None:
    """A health check must not kill a good bridge because somebody edits its file."""
    environ(monkeypatch, **variables)
    if text is not None:
        (tmp_path / "config.yaml").write_text(text)
    assert listening({}) == url


def test_an_address_that_is_none_is_said_to_be_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Guessing another one would report on somebody else's bridge."""
    monkeypatch.setenv("BRIDGE_LISTEN", "8080")
    with pytest.raises(UsageFault, match='BRIDGE_LISTEN: listen: write it "host:port"'):
        listening({})


def test_faults_of_pages_are_at_their_keys() -> None:
    """So that they are reported with the line they are written in."""
    providers = {
        "amux": Provider(preset="amux", page={"poll": {"frist": 3}}),
        "newapi": Provider(preset="newapi"),
        "off": Provider(preset="newapi", enabled=False),
        "sandbox": Provider(preset="sandbox"),
    }
    assert list(page_faults(providers)) == [
        (
            ("providers", "amux", "page", "poll", "frist"),
            "unknown key; did you mean 'first'?",
        ),
        (
            ("providers", "newapi"),
            "base_url is missing: its page does not say where it is",
        ),
    ]


def test_what_serve_dev_runs_with_is_found(tmp_path: Path) -> None:
    """`check` and `backup` in the same directory mean the same bridge."""
    minted(tmp_path)
    assert "sandbox" in found({}, dev=False).providers


@contextmanager
def shut(folder: Path) -> Iterator[None]:
    """Nobody may look into it: root, who always may, is somebody else meanwhile."""
    folder.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65_534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o700)


def test_a_directory_that_may_not_be_looked_into_is_said_plainly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/etc/poll-bridge is root's where secrets are kept in it, and so is root's home."""
    named = str(tmp_path / "config.yaml")
    assert completing.configured() == set()  # what it imports is there now
    for variables in ({}, {"BRIDGE_CONFIG": named}):
        given = environ(monkeypatch, **variables)
        with shut(tmp_path):
            with pytest.raises(
                ConfigError, match=r"config\.yaml: may not be looked for: P"
            ):
                load({}, given, tmp_path)
            assert completing.configured() == set()
    monkeypatch.delenv("BRIDGE_CONFIG")
    with shut(tmp_path):
        for command in (file_of, in_development, listening, anything_given):
            with pytest.raises(ConfigError, match="may not be looked for: Permission d"):
                command({})
        with pytest.raises(ConfigError, match=r"bridge\.secrets\.yaml: may not be"):
            key_for("http://127.0.0.1")
