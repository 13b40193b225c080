"""GET /providers and GET /signing-secrets."""

import pytest

from bridge.cadence import History, PollPolicy, learned
from bridge.health import Pulse
from bridge.lanes import Window
from bridge.model import Observation, PollOutcome
from bridge.store import Pick, Store
from bridge.transition import Move
from tests.api.acting import SUCCEEDED, poll
from tests.api.conftest import OPS, OTHER, OTHER_SECRET, SHOP, SHOP_SECRET, Api, NotedClock
from tests.store.scene import Every

UNAUTHORISED = Observation(outcome=PollOutcome.AUTH, http_status=401)


async def test_providers_are_shown_as_the_caller_may_use_them(api: Api) -> None:
    """All of them: anybody may bring a key. `has_key`: it need not."""
    answer = await api("GET", "/providers")
    assert answer.json[0] == {
        "name": "amux",
        "preset": "amux",
        "has_key": True,
        "state": "ok",
        "since": None,
        "last_ok_at": None,
    }
    has_key = {each["name"]: each["has_key"] for each in answer.json}
    assert has_key == {
        "amux": True,
        "regional": False,
        "sandbox": False,
        "ungranted": False,
    }
    other = await api("GET", "/providers", key=OTHER)
    assert not any(each["has_key"] for each in other.json)


async def refuse_twice(api: Api, store: Store, clock: NotedClock) -> None:
    """A refusal is believed when a second watch confirms it."""
    clock.advance(5)
    await poll(store, clock, UNAUTHORISED)


async def test_a_refused_key_is_shown_to_those_who_may_use_it(
    api: Api, store: Store, clock: NotedClock
) -> None:
    """And to nobody else: it is not theirs to know."""
    for number in range(2):
        await api.subscribe(task_id=f"t{number}")
    await refuse_twice(api, store, clock)

    [amux, *_] = (await api("GET", "/providers")).json
    assert (amux["state"], amux["since"]) == ("key_refused", "2027-01-15T08:00:05Z")
    [amux, *_] = (await api("GET", "/providers", key=OTHER)).json
    assert (amux["state"], amux["since"]) == ("ok", None)


async def test_one_refusal_is_not_believed_yet(
    api: Api, store: Store, clock: NotedClock
) -> None:
    """Some gateways answer 401 when they are overloaded."""
    await api.subscribe()
    await refuse_twice(api, store, clock)
    [amux, *_] = (await api("GET", "/providers")).json
    assert amux["state"] == "ok"


async def test_a_callers_own_bad_key_says_nothing_of_the_configured_one(
    api: Api, store: Store, clock: NotedClock
) -> None:
    """Else one client could make a provider look broken to all."""
    for number in range(2):
        await api.subscribe(key=OTHER, provider_api_key="bad", task_id=f"t{number}")
    await refuse_twice(api, store, clock)
    for key in (SHOP, OTHER, OPS):
        [amux, *_] = (await api("GET", "/providers", key=key)).json
        assert amux["state"] == "ok"


async def test_a_throttled_key_is_shown_until_its_pause_is_over(
    api: Api, store: Store, clock: NotedClock
) -> None:
    """Late polls have a reason then."""
    await api.subscribe()
    clock.advance(5)
    ready = await store.poll_lanes(now=clock.now(), window=Window())
    claims = await store.claim_polls(
        [Pick(ready.lanes[0], 1)], now=clock.now(), pace=Every(5.0)
    )
    throttled = Observation(outcome=PollOutcome.THROTTLED, http_status=429)
    move = Move(changed=True, throttled=True, retry_after_s=30)
    await store.record_poll(claims.items[0], throttled, move, now=clock.now())
    clock.advance(10)

    [amux, *_] = (await api("GET", "/providers")).json
    assert (amux["state"], amux["since"]) == ("throttled", "2027-01-15T08:00:05Z")
    clock.advance(21)
    [amux, *_] = (await api("GET", "/providers")).json
    assert (amux["state"], amux["since"]) == ("ok", None)


async def test_a_key_that_worked_says_when(
    api: Api, store: Store, clock: NotedClock
) -> None:
    """From the database, so that a restart does not forget it."""
    await api.subscribe()
    clock.advance(5)
    await poll(store, clock, SUCCEEDED)
    [amux, *_] = (await api("GET", "/providers")).json
    assert (amux["state"], amux["last_ok_at"]) == ("ok", "2027-01-15T08:00:05Z")


async def test_a_provider_that_does_not_answer_is_down(api: Api, clock: NotedClock) -> None:
    """For everybody, as it has nothing to do with keys."""
    pulse = Pulse(last_ok_at=clock.now() - 60, down_since=clock.now() - 30)
    async with api.changed(pulse=lambda _name: pulse) as down:
        [amux, *_] = (await down("GET", "/providers")).json
        [theirs, *_] = (await down("GET", "/providers", key=OTHER)).json

    assert (amux["state"], amux["since"]) == ("down", "2027-01-15T07:59:30Z")
    assert amux["last_ok_at"] == "2027-01-15T07:59:00Z"
    assert (theirs["state"], theirs["last_ok_at"]) == ("down", None)


async def test_signing_secrets_are_shown_to_their_owner_alone(api: Api) -> None:
    """As text too, for tools that cannot decode base64; an operator sees its own."""
    mine = await api("GET", "/signing-secrets")
    theirs = await api("GET", "/signing-secrets", key=OTHER)
    assert mine.json == [
        {"secret": SHOP_SECRET, "text": "shop-secret-of-more-than-24-bytes"}
    ]
    assert theirs.json == [{"secret": OTHER_SECRET, "text": None}]


async def test_what_was_learned_of_durations_is_for_who_shares_the_key(api: Api) -> None:
    """It is made of all their tasks, so somebody without a part in it learns nothing."""
    history = History()
    for seconds in (50.0, 60.0, 70.0):
        history.ended(seconds, seconds)
        history.ran(0.0, seconds)
    plan = learned(PollPolicy(), history)
    async with api.changed(learned=lambda _: [("", history, plan)]) as knowing:
        told = (await knowing("GET", "/providers/amux/durations")).json["items"]
        refused = await knowing("GET", "/providers/ungranted/durations")
        unknown = await knowing("GET", "/providers/nobody/durations")
        operator = await knowing("GET", "/providers/ungranted/durations", key=OPS)
    assert [(each["model"], each["tasks"]) for each in told] == [(None, 3.0)]
    assert sum(age["ended"] for age in told[0]["ages"]) == pytest.approx(1.0, abs=0.01)
    assert (refused.code, unknown.code) == ("provider_not_granted", "not_found")
    assert operator.status == 200
