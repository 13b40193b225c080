"""The Zapier app: its own tests, and that the bridge takes what it sends."""

import json
import re
import subprocess
from typing import Any

from bridge.api.models import HookBody, SubscribeBody
from bridge.messages import events
from tests.integrations.files import (
    INTEGRATIONS,
    NODE,
    PATHS,
    SECRET,
    keys_of_the_flat_form,
    needs_node,
    parsed,
    sample_of,
)

APP = INTEGRATIONS / "zapier"

# Everything the app asks of the bridge, with every field filled in.
ASK = """
const app = require(process.argv[1]);
const asked = [];
const data = { id: "hook_a" };
const z = { request: async (one) => { asked.push(one); return { data }; } };
const { operation } = app.triggers.task_ended;
const { operation: subscribe } = app.creates.subscribe;
const filled = Object.fromEntries(subscribe.inputFields.map(({ key }) => [key, "2h"]));
const bundle = {
  authData: { base_url: "https://bridge.example", api_key: "k" },
  targetUrl: "https://hooks.zapier.com/1",
  subscribeData: { id: "hook_a" },
};
const choices = Object.keys(operation.inputFields[0].choices);
(async () => {
  const inputData = { events: choices, provider: "amux" };
  await operation.performSubscribe(z, { ...bundle, inputData });
  await operation.performUnsubscribe(z, { ...bundle, inputData });
  await operation.performList(z, { ...bundle, inputData: {} });
  await subscribe.perform(z, { ...bundle, inputData: { ...filled, metadata: { a: "b" } } });
  await subscribe.perform(z, { ...bundle, inputData: { provider: "amux", task_id: "t" } });
  await app.authentication.test(z, bundle);
  process.stdout.write(JSON.stringify({ asked, choices }));
})();
"""


def asked() -> dict[str, Any]:
    ran = subprocess.run(
        [str(NODE), "-e", ASK, str(APP)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


@needs_node
def test_its_own_tests_pass() -> None:
    """
    They run without a network, and without what Zapier installs.
    """
    ran = subprocess.run(
        [str(NODE), "--test", "test/"],
        cwd=APP,
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout
    assert int(re.findall(r"(?m)^# pass (\d+)$", ran.stdout)[0]) >= 7


@needs_node
def test_every_call_is_one_of_those_listed() -> None:
    """
    The list is what is compared with the API's own routes.
    """
    called = {
        (each.get("method", "GET"), each["url"].removeprefix("https://bridge.example"))
        for each in asked()["asked"]
    }
    named = {(method, path.replace("hook_a", "{id}")) for method, path in called}
    assert named <= PATHS
    assert len(named) == 5


@needs_node
def test_the_bridge_takes_what_watching_a_task_sends() -> None:
    """
    One unknown field is refused, and a field left empty in Zapier must not count.
    """
    bodies = [each["body"] for each in asked()["asked"] if "/subscribe" in each["url"]]
    full, least = bodies
    assert SubscribeBody.model_validate(full).metadata == {"a": "b"}
    kept = {name: value for name, value in least.items() if value is not None}
    assert SubscribeBody.model_validate(kept).format == "flat"


@needs_node
def test_the_bridge_takes_what_switching_a_zap_on_sends() -> None:
    """
    One unknown field is refused, and the Zap cannot be switched on.
    """
    [call, _removal] = [each for each in asked()["asked"] if "/hooks" in each["url"]]
    assert HookBody.model_validate(call["body"]).format == "flat"


@needs_node
def test_the_hook_is_for_events_there_are() -> None:
    """
    A choice that the bridge does not know fails when the Zap is switched on.
    """
    said = asked()
    [body] = [
        each["body"] for each in said["asked"] if "/hooks" in each["url"] and "body" in each
    ]
    assert {*body} <= {"url", "events", "provider", "format", "headers"}
    assert {*events.expand(tuple(said["choices"]))} == {*events.ENDS}
    assert body["events"] == said["choices"]


def test_the_sample_is_what_the_bridge_sends() -> None:
    """
    People map the fields of the sample before the first real event.
    """
    assert parsed(APP / "samples" / "event.json") == sample_of("task.succeeded")
    assert keys_of_the_flat_form() <= {*sample_of("task.failed")}


def test_the_package_needs_zapiers_core_alone_and_holds_no_secret() -> None:
    """
    Whatever else is installed with it could read the keys.
    """
    package = parsed(APP / "package.json")
    assert list(package["dependencies"]) == ["zapier-platform-core"]
    assert "devDependencies" not in package
    texts = [
        path.read_text("utf-8")
        for path in APP.rglob("*")
        if path.suffix in {".js", ".json"} and "node_modules" not in path.parts
    ]
    assert len(texts) > 5
    assert [found for text in texts for found in SECRET.findall(text)] == []
