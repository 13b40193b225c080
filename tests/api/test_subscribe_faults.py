"""What is wrong with a request, told in words that help."""

from typing import Any

import orjson
import pytest

from bridge.api.wishing import unknown_provider
from tests.api.conftest import SHOP_SECRET, Api

FAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"provider": None}, "provider", "is required"),
    ({"task_id": 123}, "task_id", "must be text"),
    ({"task_id": "a/b"}, "task_id", "does not look like an id"),
    ({"task_id": ".."}, "task_id", "not allowed"),
    ({"callbackUrl": "x"}, "callbackUrl", "did you mean callback_url?"),
    ({"webhook": "x"}, "webhook", "did you mean callback_url?"),
    ({"zzz": "x"}, "zzz", "known: provider, task_id"),
    ({"callback_url": "ftp://x/"}, "callback_url", "https:// or http://"),
    ({"callback_url": 5}, "callback_url", "must be text"),
    ({"events": ["task.succeded"]}, "events", "did you mean 'task.succeeded'?"),
    ({"events": []}, "events", "name at least one"),
    ({"events": {"a": 1}}, "events", "must be a list"),
    ({"events": [1]}, "events[0]", "must be text"),
    ({"metadata": "x"}, "metadata", "must be an object"),
    ({"metadata": {"a": "x" * 16_384}}, "metadata", "more than 16,384 bytes"),
    ({"metadata": {"a": orjson.loads("[" * 40 + "]" * 40)}}, "metadata", "32 levels"),
    ({"metadata": {"a": orjson.loads("[" * 600 + "]" * 600)}}, "metadata", "32 levels"),
    ({"events": "task.ended," * 101}, "events", "at most 100"),
    ({"params": {f"p{n}": "1" for n in range(65)}}, "params", "at most 64"),
    ({"headers": {f"h{n}": "1" for n in range(65)}}, "headers", "at most 64"),
    ({"params": {"region": "eu"}}, "params.region", "takes no params"),
    ({"params": {"region": 1}}, "params.region", "must be text"),
    (
        {"provider": "regional", "provider_api_key": "k", "params": {"region": "x"}},
        "params.region",
        "does not match",
    ),
    ({"model": "a\u0000b"}, "model", "printable"),
    ({"model": "m" * 129}, "model", "up to 128"),
    ({"deadline": "soon"}, "deadline", '"90s"'),
    ({"deadline": True}, "deadline", "not a duration"),
    ({"deadline": 9}, "deadline", "at least 10s"),
    ({"deadline": "31d"}, "deadline", "at most 7d"),
    ({"format": "xml"}, "format", "must be 'standard', 'flat', 'form', 'query', 'slack'"),
    ({"format": "query", "method": "POST"}, "method", "leave this out, or say GET"),
    ({"format": "slack", "method": "GET"}, "method", "leave this out, or say POST"),
    ({"format": "form", "method": "GET"}, "method", "leave this out, or say POST"),
    ({"format": "query", "metadata": {"a": "x" * 3_000}}, "metadata", "use method POST"),
    ({"robot": {"secret": "s"}}, "robot", "is for feishu and dingtalk"),
    ({"format": "slack", "robot": {"keyword": "k"}}, "robot", "knows no secret"),
    ({"format": "feishu", "robot": "x"}, "robot", "must be an object"),
    ({"format": "feishu", "robot": {"secret": 1}}, "robot.secret", "must be text"),
    ({"format": "feishu", "robot": {"key": "k"}}, "robot", "`secret` and `keyword` only"),
    ({"format": "feishu", "robot": {"secret": "a b"}}, "robot", "without spaces"),
    ({"format": "dingtalk", "robot": {"keyword": "<at>"}}, "robot", "without < and >"),
    ({"format": "dingtalk", "robot": {"keyword": "a\nb"}}, "robot", "one line"),
    ({"format": "dingtalk", "robot": {"keyword": "k" * 65}}, "robot", "up to 64"),
    ({"method": "PUT"}, "method", "must be 'POST' or 'GET'"),
    ({"headers": {"Host": "x"}}, "headers", "Host"),
    ({"headers": ["x"]}, "headers", "must be an object"),
    ({"headers": {"Host": "x"}, "callback_url": None}, "headers.Host", "is set by"),
    ({"method": "GET", "metadata": {"a": "x" * 3_000}}, "metadata", "use method POST"),
    ({"method": "GET", "metadata": {"a": "\u5931" * 333}}, "metadata", "use method POST"),
    ({"signing_secret": "hunter2"}, "signing_secret[0]", "whsec_"),
    ({"signing_secret": [SHOP_SECRET] * 6}, "signing_secret", "at most 5"),
    ({"include_raw": "maybe"}, "include_raw", "true or false"),
    ({"include_raw": []}, "include_raw", "true or false"),
    ({"provider_api_key": "k\u00fc"}, "provider_api_key", "printable ASCII"),
    ({"provider_api_key": "k" * 4_097}, "provider_api_key", "longer than"),
]


@pytest.mark.parametrize(
    ("change", "field", "message"), FAULTS, ids=[str(f[0])[:40] for f in FAULTS]
)
async def test_a_faulty_field_is_named_with_its_remedy(
    api: Api, change: dict[str, Any], field: str, message: str
) -> None:
    """Whoever reads the answer knows what to change."""
    answer = await api.subscribe(**change)

    assert (answer.status, answer.code) == (422, "invalid_request")
    [name] = answer.faults
    assert name.startswith(field)
    assert message in f"{name}: {answer.faults[name]}"
    assert answer.json["detail"] == f"{name}: {answer.faults[name]}"


async def test_all_faults_are_told_at_once(api: Api) -> None:
    """Fixing one only to hear of the next wears people out."""
    body = {
        "task_id": "a b",
        "provider": "regional",
        "callback_url": "nowhere",
        "headers": {"Host": "x"},
        "metadata": 1,
        "deadline": "90d",
        "params": {"regoin": "eu"},
        "extra": 1,
    }
    answer = await api("POST", "/subscribe", json=body)

    assert answer.code == "invalid_request"
    found = [name.split(".")[0] for name in answer.faults]
    assert sorted(found) == sorted({*body, "provider_api_key"} - {"provider"})
    assert answer.json["detail"] == "8 fields need to be changed: see `errors`"


async def test_a_flood_of_faults_is_cut_short(api: Api) -> None:
    """Explaining a million of them would keep everybody else waiting for seconds."""
    many = await api("POST", "/subscribe", json={f"f{n}": 1 for n in range(60)})
    flood = await api("POST", "/subscribe", json={f"f{n}": 1 for n in range(5_000)})
    query = await api("GET", "/subscriptions?" + "&".join(f"f{n}=1" for n in range(5_000)))

    assert (many.code, len(many.faults)) == ("invalid_request", 20)
    assert (flood.status, flood.code) == (400, "malformed_body")
    assert len(query.faults) == 20


async def test_an_unknown_provider_has_a_code_of_its_own(api: Api) -> None:
    """Programs tell a typing error from a field they filled in wrongly."""
    answer = await api.subscribe(provider="amuxx")

    assert (answer.status, answer.code) == (422, "unknown_provider")
    message = answer.faults["provider"]
    assert message.startswith("there is none of this name; did you mean amux?")
    assert "known: amux, regional, sandbox, ungranted" in message
    wild = await api.subscribe(provider="zzzzzzzz")
    assert "did you mean" not in wild.faults["provider"]
    assert unknown_provider("x", {}).message == "no provider is configured"
