"""`providers list`, `show` and `try`: with a configuration, without, and with a bad one."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
import yaml

from bridge.cli.providers import BODY_LINES, pretty, report
from bridge.cli.trying import Trial
from bridge.clock import SystemClock
from bridge.config import load
from bridge.model import Answer, Observation, PollOutcome, PollRequest
from bridge.providers.catalogue import preset, preset_names
from bridge.providers.configured import configured
from bridge.providers.page import Page
from bridge.simulator.demo.child import free_port
from bridge.simulator.provider import ProviderSimulator
from bridge.simulator.words import Dialect
from tests.cli.commands import invoke, told
from tests.settings import ENOUGH


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """A simulated new-api that wants the key sk-right, in a thread of its own."""
    loop = asyncio.new_event_loop()
    simulator = ProviderSimulator(SystemClock())
    thread = Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(simulator.__aenter__(), loop).result(10)
    yield simulator.mount("/amux", Dialect.ENVELOPE, key="sk-right")
    asyncio.run_coroutine_threadsafe(simulator.__aexit__(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def test_the_presets_are_listed_without_any_configuration() -> None:
    """One looks here before writing one."""
    listed = told("providers", "list")
    assert [each["name"] for each in listed] == preset_names()
    assert not any(each["configured"] for each in listed)
    assert "https://api.amux.ai" in invoke("providers", "list").stdout


def test_configured_providers_come_first(tmp_path: Path) -> None:
    """With whether they have a key, never with the key."""
    env = ENOUGH | {
        "BRIDGE_PROVIDERS": '{"rong-us": {"preset": "rong", "api_key": "sk-1"}}'
    }
    result = invoke("providers", "list", "--json", env=env)
    first = yaml.safe_load(result.stdout)[0]
    assert (first["name"], first["preset"], first["has_key"]) == ("rong-us", "rong", True)
    assert "sk-1" not in result.stdout


def test_a_faulty_configuration_leaves_the_presets(tmp_path: Path) -> None:
    """They are what its author is looking up."""
    (tmp_path / "config.yaml").write_text("listen: nowhere")
    result = invoke("providers", "list")
    assert result.exit_code == 0
    assert "config.yaml:1: listen" in result.stderr
    assert "so only the presets are known here" in result.stderr
    assert invoke("providers", "list", "--config", "config.yaml").exit_code == 2


@pytest.mark.parametrize("name", preset_names())
def test_a_page_that_is_shown_can_be_used_as_it_is(name: str) -> None:
    """It says so under the command, and people will paste it."""
    shown = invoke("providers", "show", name).stdout
    assert Page.model_validate(yaml.safe_load(shown)) == preset(name)
    assert told("providers", "show", name) == yaml.safe_load(shown)


def test_a_configured_page_is_shown_with_its_changes(tmp_path: Path) -> None:
    """What applies, not what was built in."""
    env = ENOUGH | {
        "BRIDGE_PROVIDERS__AMUX__BASE_URL": "https://amux.test",
        "BRIDGE_PROVIDERS__AMUX__POLL__INTERVAL": "7s",
    }
    page = told("providers", "show", "amux", env=env)
    assert (page["base_url"], page["poll"]["interval"]) == ("https://amux.test", "7s")


def test_a_slip_in_the_name_is_recognised() -> None:
    """Of eight names, one is meant."""
    near = invoke("providers", "show", "amuks")
    assert (near.exit_code, "did you mean amux?" in near.stderr) == (2, True)
    far = invoke("providers", "try", "t", "-p", "xyz", env=ENOUGH)
    assert (far.exit_code, "there are: amux, ark" in far.stderr) == (2, True)


def test_a_task_is_asked_about_with_nothing_but_a_preset(
    provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before there is a configuration: does the key work, and is the answer understood?"""
    monkeypatch.setenv("PROVIDER_API_KEY", "sk-right")
    asked = ("providers", "try", "succeed-0s", "-p", "newapi", "--base-url", provider)
    result = invoke(*asked)
    assert result.exit_code == 0
    assert f"GET {provider}/v1/video/generations/succeed-0s  (with a key)" in result.stdout
    assert "\nstatus " in result.stdout
    assert '"status": "SUCCESS"' in result.stdout
    assert "sk-right" not in result.stdout
    seen = told(*asked)["observation"]
    assert (seen["outcome"], seen["status"]) == ("ended", "succeeded")


@pytest.mark.parametrize(
    ("task_id", "key", "code", "outcome"),
    [
        ("succeed-9s", "sk-right", 0, "pending"),
        ("missing", "sk-right", 1, "not_found"),
        ("succeed-0s", "sk-wrong", 1, "auth"),
    ],
)
def test_the_code_tells_whether_the_provider_spoke_of_the_task(
    provider: str, task_id: str, key: str, code: int, outcome: str
) -> None:
    """For scripts that look for the right key or address."""
    env = ENOUGH | {
        "BRIDGE_PROVIDERS__AMUX__BASE_URL": provider,
        "BRIDGE_PROVIDERS__AMUX__API_KEY": key,
    }
    result = invoke("providers", "try", task_id, "-p", "amux", env=env)
    assert (result.exit_code, outcome in result.stdout) == (code, True)


def test_a_provider_that_does_not_answer_has_a_code_of_its_own() -> None:
    """It may work later, and nothing is said about the task."""
    down = f"http://127.0.0.1:{free_port()}"
    result = invoke("providers", "try", "t1", "-p", "amux", "--base-url", down)
    assert (result.exit_code, "no answer: connect_error" in result.stdout) == (3, True)
    assert "(without a key)" in result.stdout


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("{{task}}", "-p", "amux"), "task_id: '{{task}}' looks like a variable"),
        (("t1", "-p", "newapi"), "base_url is missing"),
        (("t1", "-p", "amux", "--base-url", "amux.ai"), "--base-url: must be a URL"),
        (("t1", "-p", "amux", "--key", "Bearer k"), "--key: give the key alone"),
        (("t1", "-p", "amux", "--param", "a=b"), "params.a: this provider takes no params"),
        (("t1", "-p", "amux", "--param", "a"), "write it --param name=value"),
    ],
)
def test_what_cannot_be_asked_is_said_before_it_is(
    args: tuple[str, ...], says: str
) -> None:
    """In the words that a caller of the API would get."""
    result = invoke("providers", "try", *args)
    assert (result.exit_code, says in result.stderr) == (2, True), result.stderr


def test_long_answers_are_cut_and_odd_ones_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Gateways answer with whole web pages."""
    amux = configured(load({}, ENOUGH, tmp_path))["amux"]
    request = PollRequest(method="GET", url="https://amux.test/t", headers={})
    body = json.dumps([f"line {number}\x1b" for number in range(100)]).encode()
    seen = Observation(outcome=PollOutcome.TRANSIENT)
    report(Trial(amux, request, Answer(http_status=200, body=body), seen))
    shown = capsys.readouterr()
    assert ("line 58" in shown.out, "line 59" in shown.out) == (True, False)
    assert shown.err == f"… {102 - BODY_LINES} lines more: --json\n"
    assert pretty("<html>") == "<html>"
    report(Trial(amux, request, Answer(http_status=204), seen))
    assert "the answer:" not in capsys.readouterr().out
