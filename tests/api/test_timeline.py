"""GET /subscriptions/{id}/timeline: one task's whole story."""

from bridge.store import Store
from tests.api.acting import ACCEPTED, PENDING, REFUSED, SUCCEEDED, attempt, poll
from tests.api.conftest import OPS, OTHER, Api, NotedClock

EVENTS = ["task.updated", "task.ended"]


async def test_all_that_became_of_it_is_told(
    api: Api, store: Store, clock: NotedClock
) -> None:
    """Whoever asks why a webhook did not come needs no second question."""
    made = (await api.subscribe(events=EVENTS)).json
    for seen, reply in ((PENDING, ACCEPTED), (SUCCEEDED, REFUSED)):
        clock.advance(5)
        await poll(store, clock, seen)
        clock.advance(5)
        await attempt(store, clock, reply)

    path = f"/subscriptions/{made['id']}"
    story = (await api("GET", f"{path}/timeline")).json

    assert story["subscription"] == (await api("GET", path)).json
    assert (story["polls"], story["cut"]) == (2, False)
    [update] = story["updates"]
    assert (update["status"], update["progress"]) == ("running", 30)
    [change] = story["changes"]
    assert change == {"at": update["at"], "outcome": "pending", "status": "running"}
    first, end = story["deliveries"]
    assert (first["type"], end["type"]) == ("task.updated", "task.succeeded")
    assert [each["http_status"] for each in end["attempts"]] == [500]
    assert end == (await api("GET", f"/deliveries/{end['id']}")).json


async def test_a_story_without_news_is_told_too(api: Api) -> None:
    made = (await api.subscribe()).json
    story = (await api("GET", f"/subscriptions/{made['id']}/timeline")).json
    del story["subscription"]
    assert story == {
        "polls": 0,
        "updates": [],
        "changes": [],
        "deliveries": [],
        "cut": False,
    }


async def test_nobody_reads_the_story_of_another_client(api: Api) -> None:
    """Nor learns that there is one."""
    made = (await api.subscribe()).json
    path = f"/subscriptions/{made['id']}/timeline"
    foreign = await api("GET", path, key=OTHER)
    assert (foreign.status, foreign.json["code"]) == (404, "subscription_not_found")
    assert (await api("GET", path, key=OPS)).json["subscription"]["client"] == "shop"
    assert (await api("GET", f"{path}?wait=1")).status == 422
