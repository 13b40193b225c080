"""Sources and their order: flags over environment over file over defaults."""

from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path

import pytest

from bridge.config import (
    Address,
    Callbacks,
    Client,
    Config,
    Limits,
    Role,
    built_in,
    load,
    redacted,
)
from bridge.config.loading import FILE
from bridge.errors import ConfigError
from bridge.providers.catalogue import preset, preset_names
from bridge.rate import Rate
from tests.settings import (
    API_KEY,
    ENCRYPTION_KEY,
    ENOUGH,
    PRESETS,
    SECRET,
    SIGNING_SECRET,
    faults_of,
    loaded,
    written,
)


def test_the_environment_alone_is_enough(tmp_path: Path) -> None:
    """
    A container needs no file: three secrets and a port.
    """
    config = loaded(tmp_path, {**ENOUGH, "PORT": "9000"})
    assert config.listen == Address("0.0.0.0", 9000)
    assert list(config.clients) == ["default"]
    client = config.clients["default"]
    assert [key.get_secret_value() for key in client.api_keys] == [API_KEY]
    assert [key.get_secret_value() for key in client.signing_secrets] == [SIGNING_SECRET]
    assert [key.get_secret_value() for key in config.encryption_keys] == [ENCRYPTION_KEY]


def test_without_providers_every_complete_preset_is_on(tmp_path: Path) -> None:
    """
    Callers with keys of their own need nothing set up; the sandbox is asked for by name.
    """
    config = loaded(tmp_path, ENOUGH)
    assert list(config.providers) == ["amux", "rong"]
    assert config.providers["amux"].preset == "amux"
    assert config.granted("default") == {"amux", "rong"}


def test_flags_beat_environment_beats_file_beats_default(tmp_path: Path) -> None:
    """
    The order everybody expects, one step after the other.
    """
    assert loaded(tmp_path, ENOUGH).callbacks.timeout_s == 20
    written(tmp_path, "callbacks: {timeout: 21s}")
    assert loaded(tmp_path, ENOUGH).callbacks.timeout_s == 21
    environ = {**ENOUGH, "BRIDGE_CALLBACKS__TIMEOUT": "22s"}
    assert loaded(tmp_path, environ).callbacks.timeout_s == 22
    flags = {"callbacks.timeout": "23s", "listen": None}
    assert loaded(tmp_path, environ, flags).callbacks.timeout_s == 23


def test_sources_mix_within_one_group(tmp_path: Path) -> None:
    """
    Setting one key by environment must not lose its neighbours in the file.
    """
    written(tmp_path, "callbacks: {timeout: 21s, slots: 32, allow_hosts: [n8n]}")
    config = loaded(tmp_path, {**ENOUGH, "BRIDGE_CALLBACKS__ALLOW_HOSTS": "zapier,make"})
    assert config.callbacks.timeout_s == 21
    assert config.callbacks.slots == 32
    assert config.callbacks.allow_hosts == ("zapier", "make")


def test_the_file_is_looked_for_in_the_documented_order(tmp_path: Path) -> None:
    """
    `--config`, then BRIDGE_CONFIG, then the working directory.
    """
    for name, seconds in ((FILE, 1), ("other.yaml", 2), ("third.yaml", 3)):
        (tmp_path / name).write_text(f"callbacks: {{timeout: {seconds}}}")
    environ = {**ENOUGH, "BRIDGE_CONFIG": "other.yaml"}
    assert loaded(tmp_path, ENOUGH).callbacks.timeout_s == 1
    assert loaded(tmp_path, environ).callbacks.timeout_s == 2
    assert loaded(tmp_path, environ, {"config": "third.yaml"}).callbacks.timeout_s == 3


@pytest.mark.parametrize(
    ("flags", "environ"), [({"config": "no.yaml"}, {}), ({}, {"BRIDGE_CONFIG": "no.yaml"})]
)
def test_a_named_file_that_is_missing_is_a_fault(
    tmp_path: Path, flags: Mapping[str, object], environ: Mapping[str, str]
) -> None:
    """
    Falling back to another file would run with settings nobody asked for.
    """
    [fault] = faults_of(tmp_path, {**ENOUGH, **environ}, flags)
    assert "there is no file no.yaml" in fault


def test_no_configuration_at_all_says_where_it_looked(tmp_path: Path) -> None:
    """
    The first thing a newcomer sees; PORT alone is set on many machines.
    """
    [fault] = faults_of(tmp_path, {"PORT": "80", "HOME": "/root", "BRIDGE_CONFIG": ""})
    assert str(tmp_path / "config.yaml") in fault
    assert "/etc/poll-bridge/config.yaml" in fault
    assert "serve --dev" in fault


def test_an_unreadable_file_is_a_fault_not_a_default(tmp_path: Path) -> None:
    """
    A directory where the file should be: a volume that was mounted wrongly.
    """
    (tmp_path / FILE).mkdir()
    assert faults_of(tmp_path, ENOUGH) == ["config.yaml: cannot be read: Is a directory"]


def test_an_empty_file_leaves_everything_to_the_environment(tmp_path: Path) -> None:
    """
    A mounted but unused file does no harm.
    """
    written(tmp_path, "# nothing yet\n")
    assert loaded(tmp_path, ENOUGH).retention_s == 30 * 86_400


def test_a_sole_client_may_use_all_configured_keys_several_none(tmp_path: Path) -> None:
    """
    With a second client, whose key is spent must be said, not assumed.
    """
    clients = "".join(
        f"  {name}:\n    api_keys: {name}-{API_KEY}\n"
        f"    signing_secrets: {SIGNING_SECRET}\n"
        for name in ("shop", "blog", "wiki")
    )
    environ = {"BRIDGE_ENCRYPTION_KEYS": ENCRYPTION_KEY}
    written(tmp_path, f"clients:\n{clients}    providers: [rong]\nproviders: {{amux: }}\n")
    config = loaded(tmp_path, environ)
    assert config.granted("shop") == config.granted("blog") == frozenset()
    assert config.granted("wiki") == {"rong"}


def test_an_empty_grant_is_none_also_for_a_sole_client(tmp_path: Path) -> None:
    """
    `providers: []` was written by somebody who meant it.
    """
    written(tmp_path, "clients: {default: {providers: []}}")
    assert loaded(tmp_path, ENOUGH).granted("default") == frozenset()


def test_a_provider_takes_the_preset_of_its_name(tmp_path: Path) -> None:
    """
    `amux:` with nothing behind it is all it takes to switch one on.
    """
    page = "{words: {running: [Busy], succeeded: ['200', 200, 1.5, true, no]}}"
    written(
        tmp_path,
        f"providers: {{amux: , own: {{page: {page}}}, us: {{preset: rong, enabled: no}}}}",
    )
    providers = loaded(tmp_path, ENOUGH).providers
    assert {name: each.preset for name, each in providers.items()} == {
        "amux": "amux",
        "own": None,
        "us": "rong",
    }
    assert not providers["us"].enabled
    words = {"running": ["Busy"], "succeeded": ["200", 200, 1.5, True, "no"]}
    assert providers["own"].page == {"words": words}


def test_every_kind_of_value_is_read(tmp_path: Path) -> None:
    """
    One file with each type once, as people write them.
    """
    written(
        tmp_path,
        """
        listen: "[::1]:0"
        public_url: https://bridge.example.com/path/
        database: sqlite:////data/bridge.db
        metrics_listen: localhost:9090
        retention: 2w
        log: {format: json}
        polling: {slots: 1_000, lane_slots: 12}
        clients:
          default:
            role: operator
            callback_url: https://hooks.example.com/secret?x=1
            limits: {active: 5, requests: 5/10s}
        providers:
          amux:
            base_url: http://10.0.0.5:3000/
            poll: {min: 1s, interval: 2s, max: 3s}
            params: {region: 007}
            rate_limit: 600/m
        callbacks:
          retries: [5s, 1m, 0]
          allow_hosts: [N8N., "[::1]", 172.18.0.5]
          allow_networks: [10.0.0.0/8, fd00::/8]
          https_only: yes
        """,
    )
    config = loaded(tmp_path, ENOUGH)
    assert config.listen == Address("::1", 0)
    assert config.metrics_listen == Address("localhost", 9090)
    assert config.public_url == "https://bridge.example.com/path"
    assert config.clients["default"].role is Role.OPERATOR
    assert config.clients["default"].limits.requests == Rate(5, 10)
    assert config.providers["amux"].base_url == "http://10.0.0.5:3000"
    assert config.providers["amux"].poll.interval_s == 2
    assert config.providers["amux"].params == {"region": "007"}
    assert config.providers["amux"].rate_limit == Rate(600, 60)
    assert config.callbacks.retries == (5, 60, 0)
    assert config.callbacks.allow_hosts == ("n8n", "::1", "172.18.0.5")
    assert [str(each) for each in config.callbacks.allow_networks] == [
        "10.0.0.0/8",
        "fd00::/8",
    ]
    assert config.callbacks.https_only
    assert config.polling.slots == 1000
    assert config.retention_s == 14 * 86_400


@pytest.mark.parametrize("retries", ["default", "standard"])
def test_retry_schedules_have_names(tmp_path: Path, retries: str) -> None:
    """
    The contract's two.
    """
    environ = {**ENOUGH, "BRIDGE_CALLBACKS__RETRIES": retries}
    assert loaded(tmp_path, environ).callbacks.retries == retries


def test_no_secret_shows_in_repr_or_in_the_log_line(tmp_path: Path) -> None:
    """
    Promise 8. The log line keeps what tells two receivers apart.
    """
    written(
        tmp_path,
        f"""
        clients: {{default: {{callback_url: "https://hooks.example.com/{SECRET}"}}}}
        providers:
          amux: {{api_key: {SECRET}, params: {{p: {SECRET}}}, page: {{x: {SECRET}}}}}
        callbacks: {{retries: [5s, 1m30s], allow_networks: [10.0.0.0/8]}}
        """,
    )
    config = loaded(tmp_path, ENOUGH)
    shown = redacted(config)
    for text in (repr(config), str(config), repr(shown)):
        for secret in (SECRET, API_KEY, SIGNING_SECRET, ENCRYPTION_KEY):
            assert secret not in text
    assert shown["clients"]["default"]["callback_url"] == "https://hooks.example.com/***"
    assert shown["providers"]["amux"]["params"] == ["p"]
    assert shown["providers"]["amux"]["page"] == ["x"]
    assert shown["callbacks"]["retries"] == ["5s", "1m30s"]
    assert shown["callbacks"]["allow_networks"] == ["10.0.0.0/8"]
    assert shown["clients"]["default"]["limits"] == {"active": 100_000, "requests": "50/s"}
    assert shown["retention"] == "30d"


def test_the_log_line_shows_where_a_database_file_is(tmp_path: Path) -> None:
    """
    A path is no secret, and the first question when data seems to be gone.
    """
    assert redacted(loaded(tmp_path, ENOUGH))["database"] == "sqlite:///bridge.db"


def test_a_configuration_does_not_change(tmp_path: Path) -> None:
    """
    Whoever holds one may rely on it.
    """
    config = loaded(tmp_path, ENOUGH)
    with pytest.raises(ValueError, match="frozen"):
        config.retention_s = 1.0


def test_settings_can_be_built_in_code() -> None:
    """
    By a test or by somebody who embeds the bridge, without writing values as text.
    """
    limits = Limits(active=1, requests=Rate(5, 10))
    network = ip_network("10.0.0.0/8")
    callbacks = Callbacks(timeout=1.5, retries=(1, 2), allow_networks=(network,))
    config = Config.model_validate(
        {
            "listen": Address("::1", 80),
            "encryption_keys": [ENCRYPTION_KEY],
            "clients": {
                "shop": Client.model_validate(
                    {
                        "api_keys": [API_KEY],
                        "signing_secrets": [SIGNING_SECRET],
                        "limits": limits,
                    }
                )
            },
            "callbacks": callbacks,
        }
    )
    assert config.listen == Address("::1", 80)
    assert config.clients["shop"].limits == limits
    assert config.callbacks.allow_networks == (network,)
    assert config.callbacks.retries == (1, 2)


def test_the_built_in_presets_are_those_of_the_catalogue() -> None:
    """
    This package reads their names without knowing what a page is; both must agree.
    """
    found = built_in()
    assert sorted(found) == preset_names()
    assert {name for name, complete in found.items() if complete} == {
        name for name in preset_names() if preset(name).base_url
    }


def test_the_real_presets_are_used_unless_others_are_given(tmp_path: Path) -> None:
    """
    What the command does.
    """
    config = load({}, ENOUGH, tmp_path)
    assert set(config.providers) == {name for name, whole in built_in().items() if whole}


def test_a_page_check_has_its_say_with_line_and_key(tmp_path: Path) -> None:
    """
    Faults in a page are named like all others, beside all others.
    """
    written(
        tmp_path,
        """\
        polling: {slots: -1}
        providers:
          amux:
            page:
              words:
                done: [x]
          rong: {base_url: nonsense}
        """,
    )
    seen: list[str] = []

    def pages(providers: Mapping[str, object]) -> list[tuple[tuple[str, ...], str]]:
        seen.extend(providers)
        return [(("providers", "amux", "page", "words", "done"), "no such status")]

    with pytest.raises(ConfigError) as caught:
        load({}, ENOUGH, tmp_path, pages=pages, presets=PRESETS)
    assert caught.value.faults == (
        "config.yaml:1: polling.slots: must be at least 1",
        "config.yaml:6: providers.amux.page.words.done: no such status",
        'config.yaml:7: providers.rong.base_url: must be a URL like "https://host/path"',
    )
    assert seen == ["amux"]
