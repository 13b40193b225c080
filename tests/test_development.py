"""`serve --dev`: everything on, on this machine only, with secrets that stay."""

import os
import random
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from bridge import signature
from bridge.config import Config, Role
from bridge.development import FILE, development, kept, minted
from bridge.errors import ConfigError
from tests.settings import API_KEY, ENCRYPTION_KEY, PRESETS, SIGNING_SECRET


def started(
    folder: Path,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> Config:
    choice = random.Random(1).choice
    return development(flags or {}, environ or {}, folder, choice=choice, presets=PRESETS)


def fault_of(folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        minted(folder)
    [fault] = caught.value.faults
    return fault


def test_it_serves_this_machine_only(tmp_path: Path) -> None:
    """
    Nobody else reaches it, and it may call back to where the developer listens.
    """
    config = started(tmp_path)
    assert str(config.listen) == "127.0.0.1:8080"
    assert config.database.get_secret_value() == "sqlite:///bridge.db"
    assert config.callbacks.allow_hosts == ("localhost",)
    networks = [str(each) for each in config.callbacks.allow_networks]
    assert networks == ["127.0.0.0/8", "::1/128"]


def test_everything_is_on(tmp_path: Path) -> None:
    """
    All complete presets, the sandbox, and one client that sees it all.
    """
    config = started(tmp_path)
    assert sorted(config.providers) == ["amux", "rong", "sandbox"]
    assert config.clients["default"].role is Role.OPERATOR
    assert config.granted("default") == {"amux", "rong", "sandbox"}


def test_the_secrets_are_good_ones(tmp_path: Path) -> None:
    """
    They pass the rules for production, and no-code tools can use the signing secret.
    """
    secrets = minted(tmp_path)
    assert signature.text_of(secrets.signing_secret)
    assert len(secrets.encryption_key) >= 32
    assert len({secrets.api_key, secrets.signing_secret, secrets.encryption_key}) == 3
    assert secrets.api_key not in repr(secrets)


def test_the_secrets_are_minted_once(tmp_path: Path) -> None:
    """
    Yesterday's database opens today.
    """
    first = minted(tmp_path)
    assert minted(tmp_path) == kept(tmp_path) == first
    config = started(tmp_path)
    assert config.encryption_keys[0].get_secret_value() == first.encryption_key
    assert config.clients["default"].api_keys[0].get_secret_value() == first.api_key


def test_only_the_owner_can_read_the_secrets(tmp_path: Path) -> None:
    """
    Whatever the umask is.
    """
    before = os.umask(0)
    try:
        minted(tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_secrets_open_to_others_are_refused(tmp_path: Path, mode: int) -> None:
    """
    Whoever could read them may use them, whoever could write them chose them.
    """
    minted(tmp_path)
    (tmp_path / FILE).chmod(mode)
    assert "chmod 600" in fault_of(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_secrets_of_another_user_are_refused(tmp_path: Path) -> None:
    """
    In a shared directory somebody else may have put them there.
    """
    minted(tmp_path)
    os.chown(tmp_path / FILE, 65_534, -1)
    assert "belongs to another user" in fault_of(tmp_path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """
    Else a link in a shared directory has us write our secrets where its owner likes.
    """
    (tmp_path / FILE).symlink_to(tmp_path / "elsewhere")
    assert "cannot be opened" in fault_of(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_pipe_in_its_place_does_not_hold_us_up(tmp_path: Path) -> None:
    """
    Opening one that nobody writes to would wait for ever.
    """
    os.mkfifo(tmp_path / FILE, 0o600)
    assert "not a regular file" in fault_of(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["", "api_key: only\n", "api_key: [a]\nsigning_secret: b\nencryption_key: c\n", "{"],
)
def test_a_damaged_file_says_how_to_get_a_new_one(tmp_path: Path, text: str) -> None:
    """
    The write that a crash cut short.
    """
    (tmp_path / FILE).write_text(text)
    (tmp_path / FILE).chmod(0o600)
    assert "delete it to have new ones minted" in fault_of(tmp_path)


def test_a_directory_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    """
    No traceback for what a user can cause.
    """
    assert "cannot be written: No such file" in fault_of(tmp_path / "none")


def test_secrets_that_were_never_minted_cannot_be_shown(tmp_path: Path) -> None:
    """
    `secret show` says which command makes them, and makes none itself.
    """
    with pytest.raises(ConfigError, match="serve --dev"):
        kept(tmp_path)
    assert not (tmp_path / FILE).exists()


def test_environment_and_flags_still_count(tmp_path: Path) -> None:
    """
    One real key is enough to try a real provider, without losing the others.
    """
    environ = {
        "PORT": "9000",
        "BRIDGE_API_KEY": API_KEY,
        "BRIDGE_SIGNING_SECRET": SIGNING_SECRET,
        "BRIDGE_ENCRYPTION_KEYS": ENCRYPTION_KEY,
        "BRIDGE_PROVIDERS__AMUX__API_KEY": "sk-real",
    }
    config = started(tmp_path, environ, {"database": "sqlite:///other.db"})
    assert str(config.listen) == "127.0.0.1:9000"
    assert config.database.get_secret_value() == "sqlite:///other.db"
    assert config.providers["amux"].api_key is not None
    assert "sandbox" in config.providers
    assert config.clients["default"].api_keys[0].get_secret_value() == API_KEY
    assert str(started(tmp_path, {}, {"listen": "[::1]:0"}).listen) == "[::1]:0"


def test_a_port_that_is_none_is_blamed_on_the_variable(tmp_path: Path) -> None:
    """
    Nobody has written --dev wrong.
    """
    with pytest.raises(ConfigError, match=r"^PORT: listen: the port must be"):
        started(tmp_path, {"PORT": "abc"})


def test_it_takes_no_configuration_file(tmp_path: Path) -> None:
    """
    A file written for production has no place in it; one named by hand is refused.
    """
    (tmp_path / "config.yaml").write_text("listen: 0.0.0.0:80\n")
    assert str(started(tmp_path).listen) == "127.0.0.1:8080"
    with pytest.raises(ConfigError, match="--config: does not go with --dev"):
        started(tmp_path, {}, {"config": "config.yaml"})


def test_faults_in_the_environment_are_named(tmp_path: Path) -> None:
    """
    As everywhere.
    """
    with pytest.raises(ConfigError, match="BRIDGE_LOG__LEVEL: log"):
        started(tmp_path, {"BRIDGE_LOG__LEVEL": "loud"})


def test_it_works_with_the_real_presets_and_dice(tmp_path: Path) -> None:
    """
    What the command does.
    """
    config = development({}, {}, tmp_path)
    assert {"amux", "sandbox"} <= config.providers.keys()
