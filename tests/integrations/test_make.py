"""The Make app: valid JSON of the kinds Make knows, and bodies that the bridge takes."""

import re
from collections.abc import Iterator
from typing import Any

from bridge.api.models import HookBody, SubscribeBody
from bridge.messages import events
from tests.integrations.files import (
    INTEGRATIONS,
    PATHS,
    SECRET,
    keys_of_the_flat_form,
    parsed,
    sample_of,
)

APP = INTEGRATIONS / "make"
CALLS = {
    path.relative_to(APP).as_posix(): parsed(path)
    for path in sorted(APP.rglob("*.json"))
    if isinstance(parsed(path), dict) and "url" in parsed(path)
}
TYPES = {
    "array",
    "boolean",
    "collection",
    "date",
    "number",
    "password",
    "select",
    "text",
    "url",
}
SENT = {
    "provider": "amux",
    "task_id": "t",
    "callback_url": "https://hook.eu1.make.com/x",
    "deadline": "2h",
    "model": "veo-3",
    "provider_api_key": "key",
    "metadata": {"order": "7"},
    "events": ["task.ended"],
}


def named(name: str) -> Any:
    return parsed(APP / f"{name}.json")


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


def filled(body: dict[str, str]) -> dict[str, Any]:
    """The body with what `SENT` has for each parameter that it names."""
    found: dict[str, Any] = {}
    for name, text in body.items():
        parameter = re.search(r"parameters\.(\w+)", text)
        found[name] = SENT[parameter[1]] if parameter else text
    return found


def test_every_file_is_json_and_holds_no_secret() -> None:
    """
    Make takes a file that does not parse, and fails when a scenario runs.
    """
    paths = sorted(APP.rglob("*.json"))
    assert len(paths) == 14
    for path in paths:
        parsed(path)
        assert SECRET.findall(path.read_text("utf-8")) == []


def test_every_call_is_one_of_those_listed() -> None:
    """
    The list is what is compared with the API's own routes.
    """
    called = {
        (call["method"], re.sub(r"\{\{webhook\.\w+\}\}", "{id}", call["url"]))
        for call in CALLS.values()
    }
    plain = {
        (method, path.replace("{{parameters.base_url}}", "")) for method, path in called
    }
    assert plain <= PATHS
    assert len(plain) == 4


def test_parameters_that_are_used_are_asked_for() -> None:
    """
    A slip in a name sends nothing for it, and Make says nothing.
    """
    for place in ("connection", "webhook", "modules/subscribe"):
        asked = {each["name"] for each in named(f"{place}/parameters")}
        used = {
            name
            for path, call in CALLS.items()
            if path.startswith(place)
            for text in texts(call)
            for name in re.findall(r"parameters\.(\w+)", text)
        }
        assert used == asked


def test_the_bridge_takes_what_the_subscribe_module_sends() -> None:
    """
    One unknown field is refused.
    """
    body = filled(named("modules/subscribe/communication")["body"])
    assert SubscribeBody.model_validate(body).task_id == "t"
    required = {
        each["name"]
        for each in named("modules/subscribe/parameters")
        if each.get("required")
    }
    assert required == {
        name for name, field in SubscribeBody.model_fields.items() if field.is_required()
    }


def test_the_hook_is_removed_by_the_id_that_was_kept() -> None:
    """
    A hook that is not removed is called for ever by somebody who has stopped listening.
    """
    attach, detach = named("webhook/attach"), named("webhook/detach")
    [kept] = attach["response"]["data"]
    assert attach["response"]["data"][kept] == "{{body.id}}"
    assert detach["url"] == "/hooks/{{webhook." + kept + "}}"
    assert {*attach["body"]} <= {"url", "events", "provider", "format", "headers"}


def test_the_bridge_takes_what_attaching_sends() -> None:
    """
    One unknown field is refused, and the scenario cannot be switched on.
    """
    body = {**filled(named("webhook/attach")["body"]), "url": SENT["callback_url"]}
    assert HookBody.model_validate(body).format == "flat"


def test_the_events_to_choose_from_are_those_there_are() -> None:
    """
    A choice that the bridge does not know fails when the scenario is switched on.
    """
    [choice] = [each for each in named("webhook/parameters") if each["name"] == "events"]
    values = tuple(each["value"] for each in choice["options"])
    assert {*events.expand(values)} == {*events.ENDS}
    assert {*choice["default"]} <= {*values}


def test_the_interface_is_what_the_bridge_sends() -> None:
    """
    Fields are mapped by it before the first real event.
    """
    interface = {each["name"] for each in named("modules/watch-tasks/interface")}
    assert interface == keys_of_the_flat_form()
    assert named("modules/watch-tasks/samples") == sample_of("task.succeeded")
    fields = {each["name"] for each in named("modules/subscribe/interface")}
    assert fields == {*named("modules/subscribe/samples")}


def test_types_are_those_make_knows() -> None:
    """
    An unknown type makes the whole form of the module blank.
    """
    lists = [parsed(path) for path in APP.rglob("*.json") if path.stem != "samples"]
    found = {each["type"] for rows in lists if isinstance(rows, list) for each in rows}
    assert found <= TYPES


def test_keys_are_kept_out_of_makes_log() -> None:
    """
    What is not named there is shown to everybody who may see the scenario's history.
    """
    for name in ("base", "connection/communication"):
        assert "request.headers.x-api-key" in named(name)["log"]["sanitize"]
    asked = named("connection/parameters") + named("modules/subscribe/parameters")
    keys = [each["type"] for each in asked if each["name"].endswith("key")]
    assert keys == ["password", "password"]
