"""`serve`, as the real command: how it starts, what it says, and how it ends."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import structlog
import typer
from structlog.testing import capture_logs

from bridge.cli.serving import quick_loop, told_where, welcome
from bridge.errors import ConfigError
from tests.cli.commands import Bridge, environment, finished, invoke
from tests.settings import ENOUGH


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_0(tmp_path: Path, how: signal.Signals) -> None:
    """Supervisors take any other code for a crash, and start it again."""
    with Bridge(tmp_path, BRIDGE_LISTEN="127.0.0.1:0", **ENOUGH) as bridge:
        assert invoke("health", "--url", bridge.url).exit_code == 0
        assert bridge.stop(how) == 0
    assert "service.stopped" in bridge.said
    assert not any(secret in bridge.said for secret in ENOUGH.values())


def test_a_second_process_on_the_same_database_is_refused(tmp_path: Path) -> None:
    """Two of them would send everything twice."""
    with Bridge(tmp_path, BRIDGE_LISTEN="127.0.0.1:0", **ENOUGH):
        code, said = finished("serve", "--listen", "127.0.0.1:0", cwd=tmp_path, **ENOUGH)
    assert (code, said.count("\n")) == (3, 1)
    assert "bridge.db is in use by another poll-bridge process" in said


def test_without_configuration_it_says_where_it_has_looked(tmp_path: Path) -> None:
    """A service that starts with defaults nobody chose is found open to the world later."""
    code, said = finished("serve", cwd=tmp_path)
    assert code == 2
    assert f"{tmp_path}/config.yaml and /etc/poll-bridge/config.yaml do not exist" in said
    assert "Traceback" not in said
    assert not list(tmp_path.iterdir())


def test_a_port_in_use_is_said_plainly(tmp_path: Path) -> None:
    """The most frequent slip of all."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        code, said = finished("serve", "--dev", "--listen", listen, cwd=tmp_path)
    assert code == 2
    assert f"listen: {listen}: Address already in use" in said
    assert "Traceback" not in said


def test_every_fault_of_the_configuration_has_a_line(tmp_path: Path) -> None:
    """Whoever mends one and starts again wants no second round."""
    (tmp_path / "config.yaml").write_text(
        "listen: nowhere\nproviders:\n  amux: {page: {poll: {frist: 3s}}}\n  amxu: {}\n"
    )
    code, said = finished("serve", cwd=tmp_path)
    assert code == 2
    assert [line.partition(": ")[0] for line in said.splitlines()][:3] == [
        "config.yaml:1",
        "config.yaml:3",
        "config.yaml:4",
    ]
    assert "providers.amux.page.poll.frist: unknown key; did you mean 'first'?" in said
    assert "encryption_keys: missing" in said


def test_another_encryption_key_does_not_start(tmp_path: Path) -> None:
    """It would serve, and be able to read nothing of what it owes."""
    with Bridge(tmp_path, BRIDGE_LISTEN="127.0.0.1:0", **ENOUGH) as bridge:
        bridge.stop()
    other = ENOUGH | {
        "BRIDGE_ENCRYPTION_KEYS": "another-key-than-the-one-it-was-sealed-with"
    }
    code, said = finished("serve", "--listen", "127.0.0.1:0", cwd=tmp_path, **other)
    assert code == 3
    assert said.startswith("encryption_keys do not open the database: ")
    assert "Traceback" not in said


def test_development_begins_with_what_to_paste(tmp_path: Path) -> None:
    """The first minute decides whether there is a second."""
    with Bridge(tmp_path, "--dev", PORT="0") as bridge:
        bridge.stop()
    _, heading, welcome = bridge.said.partition("poll-bridge for development, not for")
    assert heading
    told = welcome.partition("Ctrl-C stops the bridge.")[0]
    assert f"curl {bridge.url}/subscribe" in told
    assert '"event"' not in told  # no line of the log in between
    assert f"export BRIDGE_URL={bridge.url}" in bridge.said
    assert "succeed-10s" in bridge.said
    for line in (tmp_path / "bridge.secrets.yaml").read_text().splitlines()[2:]:
        assert line.partition(": ")[2] not in bridge.said


def test_on_a_terminal_it_runs_for_development(tmp_path: Path) -> None:
    """Who types `poll-bridge serve` to have a look should get one."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "bridge", "serve", "--listen", "127.0.0.1:0"],
        cwd=tmp_path,
        env=environment(),
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    said = b""
    while b"Ctrl-C stops the bridge" not in said:
        said += os.read(ours, 4096)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    os.close(ours)
    assert process.returncode == 0
    assert said.strip().startswith(b"poll-bridge for development")


@pytest.mark.parametrize(
    ("url", "variables", "text", "named"),
    [
        ("http://127.0.0.1:8080", {}, None, False),
        ("http://127.0.0.1:9000", {"BRIDGE_LISTEN": "127.0.0.1:9000"}, None, True),
        ("http://127.0.0.1:9000", {"PORT": "9000"}, None, True),
        ("http://127.0.0.1:8080", {}, "listen: 127.0.0.1:9000", True),
        ("http://127.0.0.1:8080", {}, "listen: nowhere", True),
    ],
)
def test_other_shells_are_told_where_it_is_unless_they_look_there(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    url: str,
    variables: dict[str, str],
    text: str | None,
    named: bool,
) -> None:
    """What this shell has exported, the second terminal knows nothing of."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if text is not None:
        (tmp_path / "config.yaml").write_text(text)
    welcome(url, database="sqlite:///bridge.db", dashboard=True)
    said = capsys.readouterr().out
    assert (f"export BRIDGE_URL={url}\n" in said) is named
    assert f"  dashboard     {url}/dashboard\n" in said
    assert "BRIDGE_API_KEY" not in said


def test_other_shells_need_the_api_key_that_this_one_has(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """There `secret show` would tell the minted one, which is not in effect."""
    monkeypatch.setenv("BRIDGE_API_KEY", ENOUGH["BRIDGE_API_KEY"])
    welcome("http://127.0.0.1:8080", database="sqlite:///bridge.db", dashboard=False)
    said = capsys.readouterr().out
    assert "  other shells  export BRIDGE_API_KEY, as here\n" in said
    assert "dashboard" not in said
    assert ENOUGH["BRIDGE_API_KEY"] not in said


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="only Linux tells")
def test_the_limit_of_open_files_is_raised(tmp_path: Path) -> None:
    """A thousand receivers that hang must not keep the next caller out."""
    with Bridge(tmp_path, "--dev", PORT="0") as bridge:
        limits = Path(f"/proc/{bridge.process.pid}/limits").read_text()
    [line] = [each for each in limits.splitlines() if each.startswith("Max open files")]
    soft, hard = line.split()[3:5]
    assert soft == hard


def test_removed_clients_with_work_in_flight_need_abandon(tmp_path: Path) -> None:
    """A slip of the pen in the file must not silently drop what was promised."""
    with Bridge(tmp_path, BRIDGE_LISTEN="127.0.0.1:0", **ENOUGH) as bridge:
        env = ENOUGH | {"BRIDGE_URL": bridge.url}
        task = ("subscribe", "amux", "t1", "--provider-key", "sk-1")
        assert invoke(*task, env=env).exit_code == 0
        bridge.stop()
    (tmp_path / "config.yaml").write_text(
        "listen: 127.0.0.1:0\n"
        f"encryption_keys: [{ENOUGH['BRIDGE_ENCRYPTION_KEYS']}]\n"
        "clients:\n"
        "  other:\n"
        f"    api_keys: [{ENOUGH['BRIDGE_API_KEY']}]\n"
        f"    signing_secrets: [{ENOUGH['BRIDGE_SIGNING_SECRET']}]\n"
    )
    code, said = finished("serve", cwd=tmp_path)
    assert code == 2
    assert "clients.default: has work in flight" in said
    with Bridge(tmp_path, "--abandon") as bridge:
        assert bridge.stop() == 0
    assert "work.abandoned" in bridge.said


def test_without_uvloop_it_runs_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a matter of speed, and not to be had everywhere."""
    assert quick_loop() is not None
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert quick_loop() is None


@pytest.mark.parametrize("debug", [False, True])
def test_a_bug_ends_it_and_says_where_but_not_what(
    monkeypatch: pytest.MonkeyPatch, debug: bool
) -> None:
    """Unless who started it wants to see all."""
    former = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("debug"))
    monkeypatch.setattr("sys.argv", ["poll-bridge", "--debug" if debug else "serve"])
    ends = pytest.raises(KeyError if debug else typer.Exit)
    with capture_logs() as lines, ends, told_where():
        raise KeyError("a secret")
    structlog.configure(**former)
    assert [line["event"] for line in lines] == ([] if debug else ["service.crashed"])
    with pytest.raises(ConfigError), told_where():
        raise ConfigError("listen: taken")
