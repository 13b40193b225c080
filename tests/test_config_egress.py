"""Proxies and certificate authorities, as they are configured."""

from pathlib import Path

import pytest

from bridge.config import changes, redacted
from tests.net.hostile import certificate
from tests.settings import ENOUGH, SECRET, faults_of, loaded, written

EXAMPLE = 'write "http://user:password@proxy:3128", or https://; percent-encode'


@pytest.mark.parametrize("key", ["callbacks", "providers: {amux", "providers: {rong"])
def test_the_password_of_a_proxy_is_shown_nowhere(tmp_path: Path, key: str) -> None:
    """
    It comes by a variable, and stays out of logs and of `config show`.
    """
    close = "}" if "{" in key else ""
    written(tmp_path, f"{key}: {{proxy: 'http://me:${{P}}@proxy.test:3128'}}{close}")
    config = loaded(tmp_path, {**ENOUGH, "P": SECRET})
    found = config.callbacks.proxy or next(iter(config.providers.values())).proxy
    assert found is not None
    assert found.get_secret_value() == f"http://me:{SECRET}@proxy.test:3128"
    for text in (repr(config), str(config), repr(redacted(config))):
        assert SECRET not in text
    assert "http://proxy.test:3128/***" in repr(redacted(config))


@pytest.mark.parametrize(
    "url",
    [
        "proxy:3128",
        "socks5://proxy:1080",
        "http://",
        "http://proxy/path",
        "http://proxy?x=1",
        "http://a b@proxy",
        "http://@@proxy",
        "http://pro/xy@host",
        "http://proxy:99999",
        "http://proxy:0",
    ],
)
def test_what_is_no_proxy_is_refused_without_being_quoted(tmp_path: Path, url: str) -> None:
    """
    The fault says how to write it; the value may hold a password.
    """
    [fault] = faults_of(tmp_path, {**ENOUGH, "BRIDGE_CALLBACKS__PROXY": url})
    assert EXAMPLE in fault
    assert fault.startswith("BRIDGE_CALLBACKS__PROXY")
    assert url not in fault.replace(EXAMPLE, "")


@pytest.mark.parametrize(
    "url", ["http://proxy", "https://me@proxy:1", "http://[::1]:3128/"]
)
def test_proxies_are_taken(tmp_path: Path, url: str) -> None:
    """
    With and without a user, a port, a slash at the end.
    """
    config = loaded(tmp_path, {**ENOUGH, "BRIDGE_CALLBACKS__PROXY": url})
    assert config.callbacks.proxy is not None
    assert config.callbacks.proxy.get_secret_value() == url.rstrip("/")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "cannot be read: No such file"),
        ("", "has no certificate in PEM"),
        ("hello", "has no certificate in PEM"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "has no certificate in PEM",
        ),
    ],
)
@pytest.mark.parametrize("key", ["CALLBACKS__CA_FILE", "PROVIDERS__AMUX__CA_FILE"])
def test_a_ca_file_that_is_none_is_named(
    tmp_path: Path, key: str, content: str | None, what: str
) -> None:
    """
    Found at the start, and not by every webhook.
    """
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    [fault] = faults_of(tmp_path, {**ENOUGH, f"BRIDGE_{key}": str(path)})
    assert fault.startswith(f"BRIDGE_{key}")
    assert f"{path} {what}" in fault


def test_a_ca_file_is_read_once_and_shown_by_its_path(tmp_path: Path) -> None:
    """
    A file that changes is another setting, which needs what other settings need.
    """
    _, authority = certificate(tmp_path, "app.test")
    environ = {**ENOUGH, "BRIDGE_CALLBACKS__CA_FILE": authority}
    old = loaded(tmp_path, environ)
    assert redacted(old)["callbacks"]["ca_file"] == authority
    assert changes(old, loaded(tmp_path, environ)) == []
    certificate(tmp_path, "other.test")
    assert changes(old, loaded(tmp_path, environ)) == ["callbacks.ca_file"]


def test_what_a_reload_takes_over(tmp_path: Path) -> None:
    """
    Providers change while the bridge runs; how webhooks go out does not.
    """
    old = loaded(tmp_path, ENOUGH)
    environ = {
        **ENOUGH,
        "BRIDGE_PROVIDERS__AMUX__PROXY": "http://proxy",
        "BRIDGE_CALLBACKS__PROXY": "http://proxy",
    }
    assert changes(old, loaded(tmp_path, environ)) == ["callbacks.proxy"]
