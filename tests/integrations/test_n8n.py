"""The workflows of integrations/n8n: that they import, and that they do what they say."""

import base64
import hmac
import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from bridge import signature
from bridge.api.models import SubscribeBody
from bridge.messages import events, samples
from bridge.portable import encode
from tests.integrations.files import (
    INTEGRATIONS,
    NODE,
    SECRET,
    needs_node,
    parsed,
)

FILES = sorted((INTEGRATIONS / "n8n").glob("*.json"))
HEX, STANDARD, CHAT, WAIT = (
    INTEGRATIONS / "n8n" / f"{name}.json"
    for name in ("verify-hex", "verify-standard", "tell-a-chat", "submit-and-wait")
)
RUN = Path(__file__).with_name("n8n.mjs")

# Node types and the versions of them that n8n 1.123 has. No Code node: what the files
# are for is to do without.
KNOWN: dict[str, set[float]] = {
    "crypto": {1},
    "extractFromFile": {1},
    "httpRequest": {4.2},
    "if": {2.2},
    "manualTrigger": {1},
    "respondToWebhook": {1.1},
    "set": {3.4},
    "stickyNote": {1},
    "wait": {1.1},
    "webhook": {2},
}
CREDENTIALS = {"httpHeaderAuth"}

MINE, OTHER = signature.mint(), signature.mint()
TEXT = signature.text_of(MINE)
BODY = encode(samples.sample("task.succeeded", now=1_795_176_000.0)).replace(
    b"abcd1234efgh", "视频-🎬".encode()
)

each = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def nodes_of(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = parsed(path)["nodes"]
    return found


def signed(*secrets: str, age_s: float = 0, body: bytes = BODY) -> dict[str, str]:
    made = signature.headers(
        message_id="msg_k3J9_0", sent_at=time.time() - age_s, body=body, secrets=secrets
    )
    return {name.lower(): value for name, value in made.items()}  # as n8n gives them


def run(path: Path, start: str, item: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    ran = subprocess.run(
        [str(NODE), str(RUN)],
        input=json.dumps({"workflow": parsed(path), "start": start, "item": item, **more}),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: list[dict[str, Any]] = json.loads(ran.stdout)
    return found


def received(
    path: Path, body: bytes, headers: dict[str, str], text: str | None = TEXT
) -> list[dict[str, Any]]:
    """What runs when this arrives at the Webhook node."""
    item = {
        "json": {"headers": headers, "body": json.loads(body)},
        "binary": {"data": base64.b64encode(body).decode()},
    }
    env = {"BRIDGE_SIGNING_TEXT": text, "CHAT_WEBHOOK_URL": "https://chat.example/x"}
    return run(path, "Webhook", item, env=env)


def answer(ran: list[dict[str, Any]]) -> list[int]:
    return [each["answered"] for each in ran if "answered" in each][:1]


def test_there_are_four() -> None:
    """
    A file that is added is covered here by its name; one that goes is missed.
    """
    assert {*FILES} == {HEX, STANDARD, CHAT, WAIT}


@each
def test_node_types_and_versions_are_those_of_n8n_1_123(path: Path) -> None:
    """
    n8n imports an unknown type as a question mark, and the flow stops there.
    """
    for node in nodes_of(path):
        kind = node["type"].removeprefix("n8n-nodes-base.")
        assert node["typeVersion"] in KNOWN[kind], node["name"]


@each
def test_nodes_are_told_apart_and_connections_lead_to_them(path: Path) -> None:
    """
    A connection to a name that was changed is dropped at the import without a word.
    """
    flow = parsed(path)
    names = [node["name"] for node in flow["nodes"]]
    ids = [node["id"] for node in flow["nodes"]]
    assert len({*names}) == len(names)
    assert len({*ids}) == len(ids)
    targets = {
        link["node"]
        for outputs in flow["connections"].values()
        for links in outputs["main"]
        for link in links
    }
    assert {*flow["connections"]} | targets <= {*names}
    starts = {"Webhook", "Start", "Read me"}
    assert {*names} - targets <= starts
    assert re.fullmatch(r"[A-Za-z0-9]{16}", flow["id"])  # the import by command needs one


@each
def test_expressions_name_nodes_that_exist(path: Path) -> None:
    """
    An expression that names a node which is not there fails when the video is ready.
    """
    text = path.read_text("utf-8")
    names = {node["name"] for node in nodes_of(path)}
    assert {*re.findall(r"\$\('([^']+)'\)", text)} <= names


@each
def test_no_file_holds_a_secret(path: Path) -> None:
    """
    Workflows are passed on and put into repositories; credentials stay in n8n.
    """
    assert SECRET.findall(path.read_text("utf-8")) == []
    for node in nodes_of(path):
        assert {*node.get("credentials", {})} <= CREDENTIALS
        secret = node["parameters"].get("secret", "={{ $env.x }}")
        assert secret.startswith("={{ $env.")
        if node["parameters"].get("authentication") == "genericCredentialType":
            assert node["parameters"]["genericAuthType"] in node["credentials"]


@each
def test_whatever_is_called_listens_for_post(path: Path) -> None:
    """
    Both nodes begin as GET, which answers the webhook with 404.
    """
    for node in nodes_of(path):
        if node["type"] in {"n8n-nodes-base.webhook", "n8n-nodes-base.wait"}:
            assert node["parameters"]["httpMethod"] == "POST"
            assert node["webhookId"]


@needs_node
@pytest.mark.parametrize("path", [HEX, STANDARD, CHAT], ids=lambda path: path.stem)
def test_the_genuine_is_accepted_before_the_work_and_the_forged_refused(path: Path) -> None:
    """
    A check that lets one forged body through is worse than none, and one that refuses a
    genuine body in Chinese, or during a change of secrets, loses it.
    """
    good = signed(MINE)
    genuine = received(path, BODY, good)
    names = [each["node"] for each in genuine]
    assert answer(genuine) == [204]
    assert names.index("Accept") < len(names) - 1
    assert answer(received(path, BODY, signed(OTHER, MINE))) == [204]
    assert answer(received(path, BODY, signed(OTHER))) == [401]
    assert answer(received(path, BODY, {})) == [401]
    assert answer(received(path, BODY.replace(b"succeeded", b"cancelled"), good)) == [401]
    spaced = json.dumps(json.loads(BODY), ensure_ascii=False).encode()
    assert spaced != BODY
    refused = received(path, spaced, good)
    assert answer(refused) == [401]
    assert refused[-1]["node"] == "Refuse"


@needs_node
@pytest.mark.parametrize("path", [HEX, STANDARD, CHAT], ids=lambda path: path.stem)
@pytest.mark.parametrize("text", [None, ""])
def test_without_a_secret_nothing_is_genuine(path: Path, text: str | None) -> None:
    """
    An empty key is one that everybody knows.
    """
    key = b""
    digest = hmac.digest(key, BODY, "sha256")
    forged = signed(MINE) | {"x-signature-256": f"sha256={digest.hex()}"}
    signing = b"msg_k3J9_0." + forged["webhook-timestamp"].encode() + b"." + BODY
    mac = base64.b64encode(hmac.digest(key, signing, "sha256")).decode()
    forged["webhook-signature"] = f"v1,{mac}"
    assert answer(received(path, BODY, forged, text)) == [401]


@needs_node
@pytest.mark.parametrize(("age_s", "status"), [(290, 204), (311, 401), (-311, 401)])
def test_a_recording_is_refused_after_five_minutes(age_s: float, status: int) -> None:
    """
    A recorded webhook is signed as well as a new one.
    """
    assert answer(received(STANDARD, BODY, signed(MINE, age_s=age_s))) == [status]
    unreadable = signed(MINE) | {"webhook-timestamp": "now"}
    assert answer(received(STANDARD, BODY, unreadable)) == [401]


@needs_node
@pytest.mark.parametrize("type_", events.TYPES)
def test_every_event_gets_through_to_the_work(type_: str) -> None:
    """
    Ends without a result and updates without an outcome have nulls where others have not.
    """
    body = encode(samples.sample(type_, now=1_795_176_000.0))
    for path in (HEX, STANDARD):
        last = received(path, body, signed(MINE, body=body))[-1]
        assert last["node"] == "Use the event"
        assert last["json"]["ok"] is (type_ == "task.succeeded")
        assert last["json"]["task_id"] == "abcd1234efgh"
    sent = received(CHAT, body, signed(MINE, body=body))[-1]["asked"]
    assert sent["url"] == "https://chat.example/x"
    assert "abcd1234efgh" in json.loads(sent["body"])["text"]
    assert "undefined" not in sent["body"]


def waited(*read: dict[str, Any], off: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    answers = {
        "Submit": [{"task_id": "task_1"}],
        "Subscribe": [{"id": "sub_a"}],
        "Read": list(read),
    }
    return run(WAIT, "Start", {"json": {}}, answers=answers, off=off)


ENDED = {"state": "ended", "outcome": "succeeded", "result": {"url": "https://v.example/"}}


@needs_node
def test_the_subscribe_body_is_one_that_the_bridge_takes() -> None:
    """
    The first thing that everybody tries must not be answered with 422.
    """
    asked = {each["node"]: each["asked"] for each in waited(ENDED) if "asked" in each}
    body = SubscribeBody.model_validate_json(asked["Subscribe"]["body"])
    assert asked["Subscribe"]["url"] == "http://bridge:8080/subscribe"
    assert (body.provider, body.task_id) == ("amux", "task_1")
    assert body.callback_url == "http://n8n:5678/webhook-waiting/7?signature=a%2Fb"
    assert "task.updated" not in body.events  # it would wake the flow before the end
    assert asked["Read"]["url"] == "http://bridge:8080/subscriptions/sub_a"


@needs_node
def test_the_flow_branches_on_the_end_and_sleeps_on_if_there_is_none() -> None:
    """
    The address of a waiting flow can be guessed: whoever calls it only wakes the flow.
    """
    used = waited(ENDED)[-1]
    assert (used["node"], used["json"]["video_url"]) == (
        "Use the video",
        "https://v.example/",
    )
    failed = {"state": "ended", "outcome": "failed", "result": None, "error": {"code": "x"}}
    told = waited(failed)[-1]
    assert (told["node"], told["json"]["code"]) == ("Say why not", "x")
    names = [each["node"] for each in waited({"state": "active"}, ENDED)]
    assert names.count("Wait") == 2
    assert names[-1] == "Use the video"
    stopped = waited({"state": "stopped", "outcome": None, "result": None, "error": None})
    assert stopped[-1]["json"]["outcome"] == "stopped"


@needs_node
def test_it_can_be_rehearsed_without_the_provider() -> None:
    """
    Switched off, the Submit node passes on the settings, and their task id is used.
    """
    ran = waited(ENDED, off=("Submit",))
    [asked] = [each["asked"] for each in ran if each["node"] == "Subscribe"]
    assert json.loads(asked["body"])["task_id"] == "succeed-10s"


def test_the_wait_ends_after_the_deadline() -> None:
    """
    If the Wait node gave up first, the end would be answered with 409 and not be used.
    """
    nodes = {node["name"]: node["parameters"] for node in nodes_of(WAIT)}
    [deadline] = re.findall(r"deadline: '([^']+)'", nodes["Subscribe"]["jsonBody"])
    body = SubscribeBody.model_validate(
        {"provider": "a", "task_id": "t", "deadline": deadline}
    )
    assert nodes["Wait"]["resumeUnit"] == "hours"
    assert body.deadline is not None
    assert nodes["Wait"]["resumeAmount"] * 3_600 > body.deadline + 1_800
