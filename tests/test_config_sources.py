"""The YAML file and the environment: what is read, and what is refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.config.document import MAX_BYTES, parsed
from bridge.config.interpolation import MAX_SECRET_BYTES
from bridge.config.scalar import typed
from bridge.config.tree import Tree
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

CLIENT = "BRIDGE_CLIENTS__DEFAULT__CALLBACK_URL"


def read(raw: bytes, environ: dict[str, str] | None = None) -> Tree:
    return parsed(raw, environ or {}, folder=Path(), shown="f")


def faults_in(raw: bytes) -> list[str]:
    return [str(fault) for _, fault in read(raw).faults]


def test_variables_and_files_are_filled_in(tmp_path: Path) -> None:
    """
    Secrets stay out of the file; relative files lie beside it, wherever we are started.
    """
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "key").write_text(f"{API_KEY}\r\n")
    written(
        folder,
        """
        clients:
          default:
            api_keys: ["${file:key}", "${NEXT_KEY:-}", "${NEXT_KEY:-${file}-and-more}"]
            callback_url: https://$${x}.example.com/${A:-none}/${B:-a:-b}/${C}
        public_url: ${URL:-}
        """,
    )
    environ = {**ENOUGH, "BRIDGE_CONFIG": "etc/config.yaml", "A": "", "B": "b", "C": "${A}"}
    del environ["BRIDGE_API_KEY"]
    [fault] = faults_of(tmp_path, environ)
    assert "callback_url: must be a URL" in fault  # "${" is not part of a host name
    written(folder, (folder / "config.yaml").read_text().replace("$${x}.", ""))
    client = loaded(tmp_path, environ).clients["default"]
    assert [key.get_secret_value() for key in client.api_keys] == [
        API_KEY,
        "${file-and-more}",
    ]
    assert client.callback_url is not None
    assert client.callback_url.get_secret_value() == "https://example.com/none/b/${A}"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("${NO}", "the environment variable NO is not set"),
        ("${EMPTY}", "the environment variable EMPTY is empty"),
        ("a ${NO", '"${" without "}"'),
        ("${}", "write ${ENV}"),
        ("${a b}", "write ${ENV}"),
        ("${NO-x}", "write ${ENV}"),
        ("${file:none}", "none cannot be read: No such file or directory"),
        ("${file:.}", "cannot be read: Is a directory"),
        ("${file:binary}", "binary is not text in UTF-8"),
        ("${file:big}", "big is larger than 64 KiB"),
        ("${file:a\\0b}", "cannot be read: not a path"),
    ],
)
def test_a_place_that_cannot_be_filled_is_a_fault(
    tmp_path: Path, text: str, fault: str
) -> None:
    """
    An empty secret would be worse than none; the fault has key, line and cause.
    """
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "big").write_bytes(b"x" * (MAX_SECRET_BYTES + 1))
    written(tmp_path, f'providers:\n  amux:\n    api_key: "{text}"\n')
    [found] = faults_of(tmp_path, {**ENOUGH, "EMPTY": ""})
    assert found.startswith("config.yaml:3: providers.amux.api_key: ")
    assert fault in found


def test_what_the_environment_sets_need_not_be_in_order_in_the_file(tmp_path: Path) -> None:
    """
    An image with a complete file runs on variables, without those the file wants.
    """
    written(tmp_path, "encryption_keys: ['${NOT_SET_HERE}']")
    assert loaded(tmp_path, ENOUGH).encryption_keys[0].get_secret_value() == ENCRYPTION_KEY


def test_variables_the_file_mentions_are_no_settings(tmp_path: Path) -> None:
    """
    `${BRIDGE_KEY}` is what the documentation itself uses.
    """
    written(tmp_path, "encryption_keys: ['${BRIDGE_KEY}']")
    environ = {**ENOUGH, "BRIDGE_KEY": ENCRYPTION_KEY, "BRIDGE_ENCRYPTION_KEYS": ""}
    assert loaded(tmp_path, environ).encryption_keys[0].get_secret_value() == ENCRYPTION_KEY


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"a: 1\nb: 2\na: 3\n", "f:3: a: set twice (first in line 1); keep one of them"),
        (b"a:\n  b: {c: 1, c: 2}", "f:2: a.b.c: set twice (first in line 2); keep one"),
        (b"a: !!python/name:os.system x", "f:1: a: tags are not read"),
        (b"!S3cret {a: b}", "f:1: tags are not read"),
        (b"a: !S3cret", "f:1: a: tags are not read"),
        (b"? [a, b]\n: c\n", "f:1: a key must be text"),
        (b"a: &x {b: 1}\nc: {<<: *x}", "f:2: c: merge keys are not read"),
        (b"- a\n- b\n", 'f:1: the file must be a mapping: lines of "key: value"'),
        (b"just text", 'f:1: the file must be a mapping: lines of "key: value"'),
        (b"a: 1\n\tb: 2\n", "f:2: not YAML"),
        (b"a: 'open\n", "f:2: not YAML"),
        (b"a: *S3cret", "f:1: not YAML"),
        (b"a: @S3cret", "f:1: not YAML"),
        (b"a: 1\n---\nb: 2\n", "f:2: not YAML"),
        (b"a: \xff", "f:1: not UTF-8"),
        (b"ok: 1\na: \x07", "f:1: not YAML: it holds a control character"),
        (b"[" * 20_000, "f:1: nested too deeply"),
        (b"{a: " * 30 + b"1" + b"}" * 30, "f:1: not YAML: too many or too deeply nested"),
        (b"a: &a [*a]", "f:1: not YAML: too many or too deeply nested"),
        (b"x" * (MAX_BYTES + 1), "f: larger than 1 MiB"),
    ],
)
def test_yaml_is_read_strictly(raw: bytes, fault: str) -> None:
    """
    What one reader takes one way and another otherwise is refused; values are not quoted.
    """
    [found] = faults_in(raw)
    assert found.startswith(fault)
    assert "S3cret" not in found


def test_a_bomb_of_aliases_is_defused() -> None:
    """
    Ten lines must not unfold into a billion values.
    """
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{f'*a{n - 1},' * 10}]" for n in range(1, 12)]
    [found] = faults_in("\n".join(lines).encode())
    assert "too many or too deeply nested" in found


def test_aliases_repeat_what_they_stand_for() -> None:
    """
    Two providers with one set of parameters.
    """
    assert read(b"a: &x {b: [c]}\nd: *x").values == {"a": {"b": ["c"]}, "d": {"b": ["c"]}}


def test_unquoted_text_stays_text_until_a_type_is_wanted() -> None:
    """
    YAML 1.1 would turn these into a time, an octal number, a boolean and a date.
    """
    read_as_text = read("\ufeffa: [1:30, 0123, no, 2026-11-20, ~, null, '~']".encode())
    assert read_as_text.values == {
        "a": ["1:30", "0123", "no", "2026-11-20", None, None, "~"]
    }
    assert typed(read(b"a: [1:30, 0123, 1e3, -1.50, 1e999, 12e1]").values) == {
        "a": ["1:30", "0123", 1000.0, -1.5, "1e999", 120.0]
    }


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_no_text_makes_the_reader_fail(text: str) -> None:
    """
    Whatever is in the file, the operator gets faults or settings, not a traceback.
    """
    found = read(f"a: {text}".encode(), {"A": "b"})
    assert found.faults or found.values


def test_lists_in_variables_have_commas_or_are_json(tmp_path: Path) -> None:
    """
    Both are common; files of secrets have one to a line.
    """
    one, two = f"{API_KEY}-1", f"{API_KEY}-2"
    secret_file = tmp_path / "keys"
    secret_file.write_text(f"{one}\n{two}\n")
    for name, value in (
        ("BRIDGE_API_KEY", f"{one}, {two},"),
        ("BRIDGE_CLIENTS__DEFAULT__API_KEYS", f'["{one}", "{two}"]'),
        ("BRIDGE_API_KEY_FILE", str(secret_file)),
    ):
        client = loaded(tmp_path, {**ENOUGH, "BRIDGE_API_KEY": "", name: value}).clients
        assert [key.get_secret_value() for key in client["default"].api_keys] == [one, two]


def test_a_json_object_in_a_variable_sets_a_group(tmp_path: Path) -> None:
    """
    For platforms where one variable is easier than ten; a deeper one adds to it.
    """
    environ = {
        **ENOUGH,
        "BRIDGE_PROVIDERS": '{"amux": {"page": {"words": {"running": ["Busy", 1]}}}}',
        "BRIDGE_PROVIDERS__AMUX__API_KEY": '{"no json',
    }
    amux = loaded(tmp_path, environ).providers["amux"]
    assert amux.page == {"words": {"running": ["Busy", 1]}}
    assert amux.api_key is not None
    assert amux.api_key.get_secret_value() == '{"no json'


def test_variables_find_names_they_cannot_spell(tmp_path: Path) -> None:
    """
    A hyphen is no letter of a variable; the names of file and presets show what is meant.
    """
    written(
        tmp_path,
        f"""
        clients: {{Web-Shop: {{signing_secrets: "{SIGNING_SECRET}"}}}}
        providers: {{rong-us: {{preset: rong}}}}
        """,
    )
    environ = {
        "BRIDGE_ENCRYPTION_KEYS": ENCRYPTION_KEY,
        "BRIDGE_CLIENTS__WEB_SHOP__API_KEYS": API_KEY,
        "BRIDGE_PROVIDERS__RONG_US__API_KEY": SECRET,
        "BRIDGE_PROVIDERS__AMUX__POLL__INTERVAL": "7s",
    }
    config = loaded(tmp_path, environ)
    assert list(config.clients) == ["Web-Shop"]
    assert config.providers["rong-us"].api_key is not None
    assert config.providers["amux"].preset == "amux"
    assert config.providers["amux"].poll.interval_s == 7


def test_a_setting_given_in_two_variables_is_a_fault(tmp_path: Path) -> None:
    """
    Which of them wins would be a guess.
    """
    (tmp_path / "key").write_text(API_KEY)
    environ = {**ENOUGH, "BRIDGE_API_KEY_FILE": str(tmp_path / "key")}
    assert faults_of(tmp_path, environ) == [
        "BRIDGE_API_KEY_FILE: BRIDGE_API_KEY is set as well; keep one of them"
    ]
    environ = {**ENOUGH, "BRIDGE_CLIENTS__DEFAULT__API_KEYS": API_KEY}
    assert faults_of(tmp_path, environ) == [
        "BRIDGE_CLIENTS__DEFAULT__API_KEYS: clients.default.api_keys: "
        "BRIDGE_API_KEY sets it as well; keep one of them"
    ]


def test_a_secret_file_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    """
    Also when it is all there is: then it is this, not "no configuration".
    """
    missing = tmp_path / "none"
    found = faults_of(tmp_path, {"BRIDGE_API_KEY_FILE": str(missing)})
    assert f"BRIDGE_API_KEY_FILE: {missing} cannot be read: No such file" in "\n".join(
        found
    )


@pytest.mark.parametrize(
    "variable",
    ["BRIDGE_TIMEOUT", "BRIDGE_", "BRIDGE___", "BRIDGE_CALLBACKS__", "BRIDGE_PORT"],
)
def test_an_unknown_variable_is_a_fault(tmp_path: Path, variable: str) -> None:
    """
    A misspelt variable would otherwise be passed over in silence.
    """
    [fault] = faults_of(tmp_path, {**ENOUGH, variable: "80"})
    assert fault.startswith(f"{variable}: ")
    assert "no such key" in fault


def test_what_others_set_is_passed_over(tmp_path: Path) -> None:
    """
    Kubernetes sets these for every service called "bridge": no reason not to start.
    """
    environ = {
        "BRIDGE_SERVICE_HOST": "10.0.0.1",
        "BRIDGE_SERVICE_PORT_HTTP": "8080",
        "BRIDGE_PORT": "tcp://10.0.0.1:8080",
        "BRIDGE_PORT_8080_TCP_ADDR": "10.0.0.1",
        "BRIDGE_URL": "http://127.0.0.1:8080",
        "BRIDGE_PUBLIC_URL": "",
        "BRIDGEHEAD": "x",
    }
    assert loaded(tmp_path, {**ENOUGH, **environ}) == loaded(tmp_path, ENOUGH)


def test_port_gives_way_to_a_full_address(tmp_path: Path) -> None:
    """
    Who sets BRIDGE_LISTEN has said more; who writes it into the file may be on a platform
    that must have its port.
    """
    written(tmp_path, "listen: 127.0.0.1:1")
    environ = {**ENOUGH, "PORT": "2"}
    assert str(loaded(tmp_path, environ).listen) == "0.0.0.0:2"
    environ["BRIDGE_LISTEN"] = "127.0.0.1:3"
    assert str(loaded(tmp_path, environ).listen) == "127.0.0.1:3"
    assert str(loaded(tmp_path, environ, {"listen": "[::1]:4"}).listen) == "[::1]:4"
    for port in ("abc", "99999"):
        [fault] = faults_of(tmp_path, {**ENOUGH, "PORT": port})
        assert fault == "PORT: listen: the port must be a number from 1 to 65535"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("clients: [\n", "config.yaml:2: not YAML"),
        ("- listen\n- clients\n", "config.yaml:1: the file must be a mapping"),
        ("!all {listen: x}", "config.yaml:1: tags are not read"),
        (None, "config.yaml: cannot be read: Is a directory"),
    ],
)
def test_nothing_is_missing_from_a_file_that_was_not_read(
    tmp_path: Path, text: str | None, says: str
) -> None:
    """Whoever is told that `clients` is missing looks for it where it stands."""
    path = tmp_path / "config.yaml"
    path.mkdir() if text is None else path.write_text(text)
    [fault] = faults_of(tmp_path, {})
    assert fault.startswith(says)
    both = faults_of(tmp_path, {"BRIDGE_API_KEY_FILE": "/nowhere/at/all"})
    assert [each.split(":")[0] for each in both] == ["config.yaml", "BRIDGE_API_KEY_FILE"]


def test_a_group_given_as_a_value_is_a_fault_also_if_a_variable_goes_deeper(
    tmp_path: Path,
) -> None:
    """
    What is in the file must not vanish because the environment adds to it.
    """
    written(tmp_path, "clients: [shop]\ncallbacks: 20s\n")
    assert faults_of(tmp_path, {**ENOUGH, "BRIDGE_CALLBACKS__SLOTS": "99"}) == [
        'config.yaml:1: clients: must be lines of "key: value"',
        'config.yaml:2: callbacks: must be lines of "key: value"',
    ]


def test_a_key_for_the_commands_is_no_client_beside_those_of_a_file(tmp_path: Path) -> None:
    """Who exports BRIDGE_API_KEY to call the API must still be able to run `check`."""
    path = written(
        tmp_path,
        f"""
        encryption_keys: [{ENCRYPTION_KEY}]
        clients: {{shop: {{api_keys: [{API_KEY}], signing_secrets: [{SIGNING_SECRET}]}}}}
        """,
    )
    environ = {"BRIDGE_API_KEY": "another-key-of-a-caller-0001"}
    assert set(loaded(tmp_path, environ, {"config": str(path)}).clients) == {"shop"}
