"""Faults: all at once, each with its place, its key and what to do, none with a secret."""

from pathlib import Path

import pytest

from bridge.signature import mint
from tests.settings import (
    API_KEY,
    ENCRYPTION_KEY,
    ENOUGH,
    SECRET,
    SIGNING_SECRET,
    faults_of,
    loaded,
    written,
)


def fault_of(tmp_path: Path, text: str) -> str:
    """The single fault of a file that is fine otherwise, without file and line."""
    written(tmp_path, text)
    [fault] = faults_of(tmp_path, ENOUGH)
    return fault.partition(": ")[2]


def test_all_faults_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    """
    Nobody should have to start a service ten times to learn of ten slips.
    """
    written(
        tmp_path,
        """\
        listen: 8080
        public_ur: https://bridge.example.com
        retention: 1:30
        encryption_keys: short
        clients:
          shop:
            api_keys: ["${SHOP_API_KEY}", hunter2]
            role: admin
            providers: [amxu]
          other:
            api_keys: 0123456789012345
          third:
            api_keys: [0123456789012345]
            signing_secrets: whsec_abc
            limits: {requests: often, active: -1}
        providers:
          amxu: {}
          amux: {poll: {min: 5s, max: 1s}, api_key: "${file:nope}"}
          x: {preset: rnog, base_url: "https://u:hunter2@host"}
        callbacks:
          timeout: 20s
          timeout: 30s
          allow_hosts: ["http://n8n:5678"]
          allow_networks: [10.0.0.1/8]
          https_only: maybe
        polling: 5
        log: {level: info, levle: debug}
        """,
    )
    environ = {"BRIDGE_TIMEOUT": "4", "BRIDGE_CALLBACK__TIMEOUT": "3s"}
    found = faults_of(tmp_path, environ, {"metrics_listen": "nowhere"})
    places = [fault.split(": ")[:2] for fault in found]
    assert places == [
        ["config.yaml:1", "listen"],
        ["config.yaml:2", "public_ur"],
        ["config.yaml:3", "retention"],
        ["config.yaml:4", "encryption_keys[0]"],
        ["config.yaml:6", "clients.shop.signing_secrets"],
        ["config.yaml:7", "clients.shop.api_keys[0]"],
        ["config.yaml:7", "clients.shop.api_keys[1]"],
        ["config.yaml:8", "clients.shop.role"],
        ["config.yaml:10", "clients.other.signing_secrets"],
        ["config.yaml:13", "clients.third.api_keys[0]"],
        ["config.yaml:14", "clients.third.signing_secrets[0]"],
        ["config.yaml:15", "clients.third.limits.active"],
        ["config.yaml:15", "clients.third.limits.requests"],
        ["config.yaml:17", "providers.amxu"],
        ["config.yaml:18", "providers.amux.api_key"],
        ["config.yaml:18", "providers.amux.poll"],
        ["config.yaml:19", "providers.x.base_url"],
        ["config.yaml:19", "providers.x.preset"],
        ["config.yaml:22", "callbacks.timeout"],
        ["config.yaml:23", "callbacks.allow_hosts[0]"],
        ["config.yaml:24", "callbacks.allow_networks[0]"],
        ["config.yaml:25", "callbacks.https_only"],
        ["config.yaml:26", "polling"],
        ["config.yaml:27", "log.levle"],
        ["--metrics-listen", "metrics_listen"],
        ["BRIDGE_CALLBACK__TIMEOUT", "callback"],
        ["BRIDGE_TIMEOUT", "timeout"],
    ]
    assert not [fault for fault in found if "hunter2" in fault or "012345" in fault]


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("public_ur: x", "did you mean public_url?"),
        ("Listen: x", "did you mean listen?"),
        ("callbacks: {timeuot: 1s}", "did you mean callbacks.timeout?"),
        ("providers: {amux: {apikey: x}}", "did you mean providers.amux.api_key?"),
        ("clients: {default: {limits: {request: 1}}}", "clients.default.limits.requests?"),
        ("allow_hosts: [n8n]", "did you mean callbacks.allow_hosts?"),
        ("port: 80", "set listen"),
        ("sandbox: {}", "did you mean providers.sandbox?"),
        ("zzz: 1", "no such key"),
    ],
)
def test_an_unknown_key_names_the_one_meant(tmp_path: Path, key: str, meant: str) -> None:
    """
    A misspelt setting that is passed over is found on the day it was needed.
    """
    fault = fault_of(tmp_path, key)
    assert "no such key" in fault
    assert meant in fault


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("notify: {url: ops.example.com}", "https://host/path"),
        ("notify: {url: 'http://127.1/x'}", "notify.url: "),
        ("notify: {url: 'https://ops.example.com/a\\b'}", "notify.url: "),
        ("notify: {events: [provider.dwon]}", "did you mean provider.down?"),
        ("notify: {events: [task.failed]}", "known: provider.key_refused"),
        ("notify: {format: xml}", "standard"),
        ("notify: {signing_secret: short}", "secret new"),
        ("notify: {uri: 'https://ops.example.com'}", "did you mean notify.url?"),
        ("notify: {url: 'https://ops.example.com'}", "notify.signing_secret: needed"),
    ],
)
def test_what_nobody_could_be_told_by_is_refused(
    tmp_path: Path, text: str, told: str
) -> None:
    """
    Found out at the start, and not on the night when a notice was due.
    """
    assert told in fault_of(tmp_path, text)


def test_notices_are_signed_by_an_operator_or_by_a_secret_of_their_own(
    tmp_path: Path,
) -> None:
    """
    Of several operators by the first; a receiver needs one secret, not each client's.
    """
    url = "notify: {url: 'https://ops.example.com'"
    written(tmp_path, f"{url}, signing_secret: {SIGNING_SECRET}}}")
    [secret] = loaded(tmp_path, ENOUGH).notice_secrets
    assert secret.get_secret_value() == SIGNING_SECRET
    secret_of_ops = mint()
    operator = {
        "BRIDGE_CLIENTS__OPS__API_KEYS": "operators-key-0123456789",
        "BRIDGE_CLIENTS__OPS__SIGNING_SECRETS": secret_of_ops,
        "BRIDGE_CLIENTS__OPS__ROLE": "operator",
    }
    written(tmp_path, f"{url}}}")
    [secret] = loaded(tmp_path, ENOUGH | operator).notice_secrets
    assert secret.get_secret_value() == secret_of_ops


def test_what_is_missing_is_blamed_on_its_surroundings(tmp_path: Path) -> None:
    """
    A line number helps even for what is not there; and the fix is a command to copy.
    """
    environ = {"BRIDGE_API_KEY": API_KEY}
    clients, keys = sorted(faults_of(tmp_path, environ))
    assert clients == (
        "BRIDGE_API_KEY: clients.default.signing_secrets: missing; "
        "`poll-bridge secret new` makes one, here or in BRIDGE_SIGNING_SECRET"
    )
    assert keys.startswith("environment: encryption_keys: missing; give at least 32")
    written(tmp_path, "clients:\n  shop:\n    api_keys: []\n")
    found = faults_of(tmp_path, {"BRIDGE_ENCRYPTION_KEYS": ENCRYPTION_KEY})
    assert [fault.split(";")[0] for fault in found] == [
        "config.yaml:2: clients.shop.signing_secrets: missing",
        "config.yaml:3: clients.shop.api_keys: missing",
    ]
    assert "BRIDGE_CLIENTS__SHOP__API_KEYS" in found[1]


def test_no_client_at_all_is_a_fault(tmp_path: Path) -> None:
    """
    Nobody could use it.
    """
    written(tmp_path, "clients: {}")
    [fault] = faults_of(tmp_path, {"BRIDGE_ENCRYPTION_KEYS": ENCRYPTION_KEY})
    assert fault.startswith("config.yaml:1: clients: missing; name one")


@pytest.mark.parametrize(
    ("variable", "weak"),
    [
        ("BRIDGE_API_KEY", "fifteen-letters"),
        ("BRIDGE_API_KEY", "x" * 40),
        ("BRIDGE_API_KEY", "with a space in the middle"),
        ("BRIDGE_API_KEY", "schlüssel-mit-umlauten"),
        ("BRIDGE_API_KEY", f"k{SECRET}" * 70),
        ("BRIDGE_ENCRYPTION_KEYS", "thirty-one-letters-are-too-few."),
        ("BRIDGE_ENCRYPTION_KEYS", "ab" * 30),
        ("BRIDGE_SIGNING_SECRET", "whsec_"),
        ("BRIDGE_SIGNING_SECRET", "whsec_dG9vLXNob3J0"),
        ("BRIDGE_SIGNING_SECRET", "a-text-that-is-no-signing-secret"),
        ("BRIDGE_PROVIDERS__AMUX__API_KEY", "two\nlines"),
        ("BRIDGE_PROVIDERS__AMUX__API_KEY", "k" * 5000),
    ],
)
def test_a_weak_or_unusable_secret_is_refused(
    tmp_path: Path, variable: str, weak: str
) -> None:
    """
    At the start, by name, and without repeating it.
    """
    [fault] = faults_of(tmp_path, {**ENOUGH, variable: weak})
    assert fault.startswith(f"{variable}: ")
    assert weak not in fault


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ('listen: "8080"', 'write it "host:port"'),
        ("listen: a b:80", 'write it "host:port"'),
        ('listen: ":80"', 'write it "host:port"'),
        ("listen: ::1:80", "goes in brackets"),
        ("public_url: bridge.example.com", "must be a URL"),
        ("public_url: ftp://bridge.example.com", "must be a URL"),
        ("public_url: https://exa mple.com", "must be a URL"),
        ("public_url: https://example.com:0/", "must be a URL"),
        ("public_url: https://example.com:port/", "must be a URL"),
        ("public_url: https://[::1/", "must be a URL"),
        ("public_url: https://example.com/?a=b", "must end before"),
        ("public_url: https://example.com/#a", "must end before"),
        (f"public_url: https://u:{SECRET}@example.com", "no user name and password"),
        (f"database: mysql://u:{SECRET}@db/x", 'write "sqlite:///'),
        ("database: bridge.db", 'write "sqlite:///'),
        (f"database: 'postgresql://u:{SECRET} @db/x'", 'or "postgresql://user:password'),
        (f"listen_database: mysql://u:{SECRET}@db/x", 'write "postgresql://user:password'),
        ("roles: [api]", "an SQLite database has one node, which does it all"),
        ("roles: [api, cook]", "roles[1]"),
        ("listen: 127.0.0.1:99999", "the port must be a number from 1 to 65535"),
        ("listen: 127.0.0.1:http", "the port must be a number from 1 to 65535"),
        ("database: 'sqlite:///:memory:'", "would lose what a 202 promised"),
        ("database: {a: b}", "must be text"),
        ("retention: 1h", "must be between 1d and"),
        (f"retention: {SECRET}", "write a duration like"),
        ("callbacks: {timeout: -1s}", "write a duration like"),
        ("callbacks: {timeout: [1s]}", "write a duration like"),
        ("callbacks: {retries: sometimes}", "write default, standard or a list of dur"),
        ("callbacks: {retries: [5s, soon]}", "write default, standard or a list of dur"),
        ("callbacks: {retries: {a: 1}}", "write default, standard or a list of durations"),
        (f"callbacks: {{retries: [{'1s,' * 101}]}}", "a list of durations, at most 100"),
        ("callbacks: {slots: many}", "must be a whole number"),
        ("callbacks: {slots: 1.5}", "must be a whole number"),
        ("callbacks: {slots: 0}", "must be at least 1"),
        ("callbacks: {slots: 10001}", "must be at most 10000"),
        ("callbacks: {slots: 4, host_slots: 5}", "host_slots is more than slots"),
        ("polling: {slots: 4, lane_slots: 5}", "lane_slots is more than slots"),
        ("callbacks: {https_only: 2}", "must be true or false"),
        ("callbacks: {https_only: [true]}", "must be true or false"),
        ("callbacks: {allow_hosts: {n8n: true}}", "must be a list"),
        ("callbacks: {allow_hosts: ['*.example.com']}", "a host name alone"),
        ("callbacks: {allow_hosts: '[\"n8n\"'}", "not a JSON list"),
        ("callbacks: {allow_networks: [intranet]}", "write a network like"),
        ("callbacks: {allow_networks: [10.1.0.0/8]}", "did you mean 10.0.0.0/8?"),
        ("log: {level: loud}", "must be 'debug', 'info'"),
        ("clients: [shop]", 'lines of "key: value"'),
        ("clients: {a b: {}, default: {}}", "a name has 1 to 64"),
        ("clients: {default: {callback_url: n8n}}", "must be a URL"),
        ("clients: {default: {providers: [amxu]}}", "did you mean amux?"),
        ("clients: {default: {providers: [zzz]}}", "no provider has this name"),
        ("providers: amux", 'lines of "key: value"'),
        ("providers: {amux: yes}", 'lines of "key: value"'),
        ("providers: {amux: {page: text}}", 'lines of "key: value"'),
        ("providers: {amux: {params: {a: [b]}}}", "must be text"),
        ("providers: {amux: {rate_limit: 20}}", "write a rate like"),
        ("providers: {amux: {preset: zzz}}", "there is no such preset"),
        ("providers: {zzz: }", "name its `preset`, or give it a `page`"),
    ],
)
def test_an_unusable_value_is_refused_with_the_way_to_write_it(
    tmp_path: Path, text: str, advice: str
) -> None:
    """
    One line each, which never repeats the value: it may be a secret in the wrong place.
    """
    fault = fault_of(tmp_path, text)
    assert advice in fault
    assert SECRET not in fault
    assert "\n" not in fault


def test_one_api_key_belongs_to_one_client(tmp_path: Path) -> None:
    """
    With two owners nobody could say whose subscriptions a caller may see.
    """
    written(
        tmp_path,
        f"""\
        clients:
          shop: {{api_keys: [{API_KEY}, {API_KEY}], signing_secrets: "{SIGNING_SECRET}"}}
          blog:
            api_keys:
              - {API_KEY}
            signing_secrets: "{SIGNING_SECRET}"
        """,
    )
    found = faults_of(tmp_path, {"BRIDGE_ENCRYPTION_KEYS": ENCRYPTION_KEY})
    same = "the same as clients.shop.api_keys[0]; draw another"
    assert found == [
        f"config.yaml:2: clients.shop.api_keys[1]: {same}",
        f"config.yaml:5: clients.blog.api_keys[0]: {same}",
    ]


def test_an_api_key_is_not_an_encryption_key(tmp_path: Path) -> None:
    """
    One secret for everything is tempting, and gives each caller the database.
    """
    environ = {**ENOUGH, "BRIDGE_API_KEY": ENCRYPTION_KEY}
    [fault] = faults_of(tmp_path, environ)
    assert fault == (
        "BRIDGE_API_KEY: clients.default.api_keys[0]: also an encryption key, "
        "which no caller may know; draw another"
    )


def test_a_fault_is_one_printable_line(tmp_path: Path) -> None:
    """
    Keys may hold anything; a terminal or a log line may not.
    """
    written(tmp_path, '"a\\nb\\e[31m": 1')
    key, name, value = faults_of(
        tmp_path, {**ENOUGH, "BRIDGE_\udcff": "x", "BRIDGE_DATABASE": "\udcff"}
    )
    assert key.startswith(r"config.yaml:1: a\nb\x1b[31m: no such key")
    assert value.startswith("BRIDGE_DATABASE: database: ")
    assert name == r"BRIDGE_\udcff: no such key"


def test_a_broken_list_is_told_once(tmp_path: Path) -> None:
    """
    What compares lists with each other passes over one that cannot be read.
    """
    [fault] = faults_of(tmp_path, {**ENOUGH, "BRIDGE_ENCRYPTION_KEYS": f'["{SECRET}'})
    assert fault.startswith("BRIDGE_ENCRYPTION_KEYS: encryption_keys: not a JSON list")
    assert SECRET not in fault
