"""POST /subscribe/batch: a thousand at once, each on its own."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from bridge.errors import StoreUnavailable
from bridge.net.guard import AddressForbidden
from bridge.store import Store
from bridge.store.around import Around
from bridge.store.steps import Database
from tests.api.conftest import CALLBACK, Api, config_with

MOST = 2
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


class Narrow(Around):
    """Whoever asks for more at once than it takes is sent away."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.at_once, self.most, self.written, self._busy = MOST, 0, 0, 0

    @asynccontextmanager
    async def _around(self, kind: str) -> AsyncIterator[None]:
        self._busy += 1
        self.most = max(self.most, self._busy)
        try:
            if self._busy > MOST:
                raise StoreUnavailable("too many wait for the database")
            yield
        finally:
            self._busy -= 1
            self.written += kind == "write"


async def test_a_batch_asks_for_no_more_at_once_than_the_database_takes(
    api: Api, store: Store
) -> None:
    """The last would wait for all others, and on a slow day be sent away for it."""
    narrow = Narrow(store.database)
    async with api.changed(store=Store(narrow, store._box)) as other:
        answer = await other("POST", "/subscribe/batch", json=items(10))
    assert [item["status"] for item in answer.json] == [202] * 10
    assert narrow.most == MOST


class Together:
    """Names that are known once all of them have been asked for."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._asked, self._all_asked = set[str](), asyncio.Event()
        self.sent = [
            item | {"callback_url": f"https://host-{number}.test/hook"}
            for number, item in enumerate(items(count))
        ]

    async def vet(self, host: str) -> None:
        self._asked.add(host)
        if len(self._asked) == self._count:
            self._all_asked.set()
        await self._all_asked.wait()


async def test_names_of_a_batch_are_asked_for_together(api: Api, store: Store) -> None:
    """However few it writes at once: a thousand silent ones would take minutes."""
    names, narrow = Together(10), Store(Narrow(store.database), store._box)
    async with api.changed(store=narrow, vet=names.vet) as other:
        answer = await other("POST", "/subscribe/batch", json=names.sent)
    found = [(item["status"], item["subscription"]["warnings"]) for item in answer.json]
    assert found == [(202, [])] * 10


async def test_what_waited_to_be_written_is_refused_if_its_key_has_gone(
    api: Api, store: Store
) -> None:
    """A reload took the client's key when all had been admitted and two were written."""
    names, narrow = Together(10), Narrow(store.database)
    now, later = config_with(), config_with(api_keys=["another-key-0123456789"])
    async with api.changed(
        store=Store(narrow, store._box),
        vet=names.vet,
        config=lambda: later if narrow.written else now,
    ) as other:
        answer = await other("POST", "/subscribe/batch", json=names.sent)
    statuses = Counter(item["status"] for item in answer.json)
    assert statuses == {202: MOST, 401: 10 - MOST}


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


KEY = {"Idempotency-Key": "batch-1"}


async def test_an_idempotency_key_covers_each_item(api: Api) -> None:
    """A batch that is sent again, its answer having been lost, does nothing twice."""
    first = await api("POST", "/subscribe/batch", json=items(3), headers=KEY)
    again = await api("POST", "/subscribe/batch", json=items(3), headers=KEY)

    assert [item["status"] for item in first.json] == [202, 202, 202]
    assert first.json == again.json
    assert len((await api("GET", "/subscriptions")).json["items"]) == 3


@pytest.mark.parametrize(
    ("before", "statuses"), [(False, [202, 200, 202, 200]), (True, [200, 200, 202, 200])]
)
async def test_a_batch_sent_again_is_answered_as_it_was(
    api: Api, before: bool, statuses: list[int]
) -> None:
    """Item by item: what had been there before, what is new, and twice the same."""
    first, second = items(2)
    if before:
        await api.subscribe(**first)
    sent = [first, first, second, second]
    taken = await api("POST", "/subscribe/batch", json=sent, headers=KEY)
    again = await api("POST", "/subscribe/batch", json=sent, headers=KEY)
    assert [item["status"] for item in taken.json] == statuses
    assert again.json == taken.json


async def test_an_item_that_was_there_before_is_not_new_by_another_being_so(
    api: Api,
) -> None:
    """What the batch's key remembers is the status of the one that was taken first."""
    sent = [ITEM | {"callback_url": "https://inside.example/"}, *items(2)]
    api.names.trouble["inside.example"] = AddressForbidden("10.0.0.1")
    first = await api("POST", "/subscribe/batch", json=sent, headers=KEY)
    del api.names.trouble["inside.example"]
    await api.subscribe(**sent[0])
    again = await api("POST", "/subscribe/batch", json=sent, headers=KEY)
    assert [item["status"] for item in first.json] == [422, 202, 202]
    assert [item["status"] for item in again.json] == [200, 202, 202]


async def test_what_was_taken_may_be_refused_when_it_is_sent_again(api: Api) -> None:
    """Then nothing else takes its place in the answer."""
    other = ITEM | {"callback_url": "https://other.example/"}
    api.names.trouble["other.example"] = AddressForbidden("10.0.0.1")
    first = await api("POST", "/subscribe/batch", json=[other, ITEM], headers=KEY)
    api.names.trouble = {"app.example.com": AddressForbidden("10.0.0.1")}
    await api.subscribe(**other)
    again = await api("POST", "/subscribe/batch", json=[other, ITEM], headers=KEY)
    assert [item["status"] for item in first.json] == [422, 202]
    assert [item["status"] for item in again.json] == [200, 422]


@pytest.mark.parametrize(
    ("once", "then"),
    [
        (items(2), items(1)),
        (items(2), items(3)),
        (items(2), [*items(1), ITEM | {"task_id": "new"}]),
        (items(2), [ITEM | {"task_id": "new"}, *items(1)]),
        ([5, *items(1)], [ITEM | {"task_id": "new"}, *items(1)]),
        (items(1), [5, ITEM | {"task_id": "new"}]),
    ],
)
async def test_another_batch_under_the_same_key_is_refused_whole(
    api: Api, once: list[Any], then: list[Any]
) -> None:
    """Half of an answer would be that of another batch; nothing of it may be written."""
    await api("POST", "/subscribe/batch", json=once, headers=KEY)
    before = (await api("GET", "/subscriptions")).json
    other = await api("POST", "/subscribe/batch", json=then, headers=KEY)

    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert (await api("GET", "/subscriptions")).json == before


async def test_an_item_that_is_too_deep_to_be_written_harms_no_other(api: Api) -> None:
    """What was read must also be compared, however odd it is."""
    deep = ITEM | {"metadata": {"a": orjson.loads("[" * 600 + "]" * 600)}}
    answer = await api("POST", "/subscribe/batch", json=[deep, ITEM], headers=KEY)
    assert [item["status"] for item in answer.json] == [422, 202]


async def test_what_was_refused_gets_another_try_with_the_same_batch(api: Api) -> None:
    """Else the way to have the rest of a batch would be to send what there is already."""
    sent = [ITEM | {"callback_url": "https://inside.example/"}, *items(1)]
    api.names.trouble["inside.example"] = AddressForbidden("10.0.0.1")
    first = await api("POST", "/subscribe/batch", json=sent, headers=KEY)
    del api.names.trouble["inside.example"]
    again = await api("POST", "/subscribe/batch", json=sent, headers=KEY)

    assert [item["status"] for item in first.json] == [422, 202]
    assert [item["status"] for item in again.json] == [202, 202]
    assert again.json[0]["subscription"]["callback_url"] == "https://inside.example/"
    assert again.json[1] == first.json[1]


async def test_a_batch_of_which_nothing_was_taken_leaves_its_key_free(api: Api) -> None:
    """As with a single request: it may be mended and sent again."""
    refused = await api("POST", "/subscribe/batch", json=[5, {}], headers=KEY)
    mended = await api("POST", "/subscribe/batch", json=items(2), headers=KEY)
    assert [item["status"] for item in refused.json] == [400, 422]
    assert [item["status"] for item in mended.json] == [202, 202]


async def test_keys_that_look_like_a_place_in_a_batch_are_keys_of_their_own(
    api: Api,
) -> None:
    """Whatever callers call their keys, one never stands for another."""
    await api("POST", "/subscribe/batch", json=items(2), headers=KEY)
    for name in ("0 batch-1", "1 batch-1", "batch-1#0", "batch-1#1"):
        sent = [ITEM | {"task_id": "new"}]
        other = await api(
            "POST", "/subscribe/batch", json=sent, headers={"Idempotency-Key": name}
        )
        assert other.status == 200
        assert other.json[0]["status"] in (200, 202)


async def test_the_provider_key_of_the_header_is_for_all_items(api: Api) -> None:
    """As in a single request."""
    sent = [{"provider": "regional", "task_id": f"t{number}"} for number in range(2)]
    header = {"X-Provider-Api-Key": "own"}
    answer = await api("POST", "/subscribe/batch", json=sent, headers=header)
    assert [item["status"] for item in answer.json] == [202, 202]
