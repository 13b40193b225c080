"""What SIGHUP may take over, and what it takes away."""

from pathlib import Path

from bridge.config import changes, removed
from tests.settings import API_KEY, ENOUGH, SIGNING_SECRET, loaded, written

SHOP = f"{{api_keys: [shop-{API_KEY}], signing_secrets: [{SIGNING_SECRET}]}}"


def test_nothing_changes_between_two_readings_of_one_file(tmp_path: Path) -> None:
    """
    A reload without an edit must not ask for a restart.
    """
    written(tmp_path, "callbacks: {retries: [5s], allow_networks: [10.0.0.0/8]}")
    old, new = loaded(tmp_path, ENOUGH), loaded(tmp_path, ENOUGH)
    assert changes(old, new) == []
    assert removed(old, new) == []


def test_keys_that_need_a_restart_are_named(tmp_path: Path) -> None:
    """
    Else an operator believes a change works that does not.
    """
    old = loaded(tmp_path, ENOUGH)
    environ = {
        **ENOUGH,
        "BRIDGE_LISTEN": "127.0.0.1:1",
        "BRIDGE_CALLBACKS__TIMEOUT": "21s",
        "BRIDGE_LOG__LEVEL": "debug",
        "BRIDGE_DATABASE": "sqlite:///other.db",
    }
    assert changes(old, loaded(tmp_path, environ)) == [
        "listen",
        "database",
        "callbacks.timeout",
        "log.level",
    ]


def test_clients_and_providers_may_change(tmp_path: Path) -> None:
    """
    That is what a reload is for: keys, limits, new ones of either.
    """
    written(tmp_path, "providers: {amux: {api_key: old}}")
    old = loaded(tmp_path, ENOUGH)
    clients = f"clients: {{default: , shop: {SHOP}}}"
    written(tmp_path, f"{clients}\nproviders: {{amux: , rong: }}")
    new = loaded(tmp_path, ENOUGH)
    assert changes(old, new) == []
    assert removed(old, new) == []
    assert removed(new, old) == ["clients.shop", "providers.rong"]


def test_a_provider_that_is_switched_off_counts_as_removed(tmp_path: Path) -> None:
    """
    Its tasks would be polled by nobody, just as if it were gone.
    """
    written(tmp_path, "providers: {amux: , rong: {enabled: false}}")
    old = loaded(tmp_path, ENOUGH)
    written(tmp_path, "providers: {amux: {enabled: false}}")
    assert removed(old, loaded(tmp_path, ENOUGH)) == ["providers.amux"]
