"""POST /subscribe/batch: a thousand at once, each on its own."""

from typing import Any

import pytest

from tests.api.conftest import CALLBACK, Api

ITEM = {"provider": "amux", "task_id": "t0", "callback_url": CALLBACK}


def items(count: int) -> list[dict[str, Any]]:
    return [ITEM | {"task_id": f"t{number}"} for number in range(count)]


async def test_items_are_answered_in_order_and_independently(api: Api) -> None:
    """One bad item must not cost the other 999."""
    sent = [ITEM, ITEM | {"task_id": "/"}, 5, ITEM, {"provider": "nope", "task_id": "x"}]
    answer = await api("POST", "/subscribe/batch", json=sent)

    assert answer.status == 200
    first, faulty, odd, repeat, unknown = answer.json
    assert sorted([first["status"], repeat["status"]]) == [200, 202]
    assert first["subscription"]["id"] == repeat["subscription"]["id"]
    assert faulty["status"] == 422
    assert faulty["problem"]["errors"][0]["field"] == "task_id"
    assert (odd["status"], odd["problem"]["code"]) == (400, "malformed_body")
    assert unknown["problem"]["code"] == "unknown_provider"


async def test_a_thousand_are_taken_and_one_more_is_not(api: Api) -> None:
    """The bound of the contract."""
    full = await api("POST", "/subscribe/batch", json=items(1_000))
    more = await api("POST", "/subscribe/batch", json=items(1_001))

    assert {item["status"] for item in full.json} == {202}
    tasks = [item["subscription"]["task_id"] for item in full.json]
    assert tasks == [f"t{number}" for number in range(1_000)]
    assert (more.status, more.code) == (413, "body_too_large")


async def test_a_batch_may_be_wrapped_in_an_object(api: Api) -> None:
    """Some tools cannot send a bare list."""
    answer = await api("POST", "/subscribe/batch", json={"subscriptions": [ITEM]})
    assert [item["status"] for item in answer.json] == [202]
    assert (await api("POST", "/subscribe/batch", json=[])).json == []


@pytest.mark.parametrize("sent", [{}, {"items": []}, "x", {"subscriptions": {}}])
async def test_anything_else_is_refused(api: Api, sent: object) -> None:
    """And told how a batch looks."""
    answer = await api("POST", "/subscribe/batch", json=sent)
    assert (answer.status, answer.code) == (400, "malformed_body")
    assert '{"subscriptions": [...]}' in answer.json["detail"]


async def test_a_batch_cannot_be_held(api: Api) -> None:
    """`wait` would have to mean a thousand things."""
    answer = await api("POST", "/subscribe/batch?wait=5", json=[])
    assert answer.code == "invalid_request"


async def test_an_idempotency_key_covers_each_item(api: Api) -> None:
    """A batch that is sent again, its answer having been lost, does nothing twice."""
    key = {"Idempotency-Key": "batch-1"}
    first = await api("POST", "/subscribe/batch", json=items(3), headers=key)
    again = await api("POST", "/subscribe/batch", json=items(3), headers=key)
    changed = await api("POST", "/subscribe/batch", json=[*items(2), ITEM], headers=key)

    assert first.json == again.json
    assert [item["status"] for item in changed.json] == [202, 202, 422]
    assert changed.json[2]["problem"]["code"] == "idempotency_key_reused"


async def test_the_provider_key_of_the_header_is_for_all_items(api: Api) -> None:
    """As in a single request."""
    sent = [{"provider": "regional", "task_id": f"t{number}"} for number in range(2)]
    header = {"X-Provider-Api-Key": "own"}
    answer = await api("POST", "/subscribe/batch", json=sent, headers=header)
    assert [item["status"] for item in answer.json] == [202, 202]
