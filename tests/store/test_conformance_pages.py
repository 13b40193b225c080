"""What pages show beside the lists: a glance at all of it, and one task's whole story."""

from dataclasses import replace

import pytest

from bridge.model import DeliveryState, Robot
from bridge.receivers.breaker import OPEN_AFTER
from bridge.store import figures, reading, timeline
from tests.store.scene import (
    ACCEPTED,
    BROKEN,
    HOUR,
    TIMEOUT,
    Scene,
    destination,
    failed,
    pending,
    succeeded,
)
from tests.store.scene import REFUSED as KEY_REFUSED

THIRTY_S = 30.0


async def test_the_story_of_a_task_is_told_from_its_beginning(scene: Scene) -> None:
    """Polls are counted, updates and attempts are in their order, with their answers."""
    key = await scene.add(events=("task.updated", "task.ended"))
    await scene.poll(pending(progress=20))
    await scene.poll(pending(progress=60), after_s=6.0)
    await scene.poll(succeeded(), after_s=6.0)
    await scene.deliver(BROKEN, after_s=3.0)
    await scene.deliver(ACCEPTED, after_s=10.0)

    told = await scene.store.timeline(key, "shop")

    assert told is not None
    assert told.subscription.outcome == "succeeded"
    assert told.polls == 3
    assert [update.progress for update in told.updates] == [20, 60]
    assert told.updates[0].status == "running"
    log = told.deliveries[-1].log
    assert [attempt.http_status for attempt in log] == [500, 200]
    assert [attempt.answer for attempt in log] == [b"oh no", b"thanks"]
    assert not told.cut


async def test_of_very_many_attempts_the_newest_are_told(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody may press the button all day. How many there were is told as well."""
    key = await scene.ended()
    await scene.deliver(BROKEN, after_s=3.0)
    for _ in range(3):
        assert await scene.retry(key)
        await scene.deliver(ACCEPTED, after_s=1.0)
    monkeypatch.setattr(reading, "LOG", 2)
    monkeypatch.setattr(timeline, "ATTEMPTS", 2)

    told = await scene.store.timeline(key, "shop")
    one = await scene.store.delivery(key, 0, "shop")

    assert told is not None
    assert one is not None
    for delivery in (*told.deliveries, one):
        assert [attempt.number for attempt in delivery.log] == [3, 4]
        assert delivery.attempts == 4


async def test_of_very_long_answers_the_newest_are_told(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many attempts of 4 KiB each would be more than a page is worth."""
    key = await scene.ended()
    await scene.deliver(BROKEN, after_s=3.0)
    for _ in range(2):
        assert await scene.retry(key)
        await scene.deliver(ACCEPTED, after_s=1.0)
    monkeypatch.setattr(timeline, "ANSWERS_BYTES", len(b"thanks"))

    told = await scene.store.timeline(key, "shop")

    assert told is not None
    [delivery] = told.deliveries
    assert [each.answer for each in delivery.log] == [b"", b"", b"thanks"]
    assert told.cut


async def test_nobody_reads_anothers_story(scene: Scene) -> None:
    key = await scene.add()
    assert await scene.store.timeline(key, "blog") is None
    assert await scene.store.timeline(key, None) is not None


async def test_a_glance_counts_what_is_active_and_what_has_ended(scene: Scene) -> None:
    """A client's own, and for who sees all, all of them: watches there."""
    await scene.add("a")
    await scene.add("b", provider="rong", client="blog")
    await scene.ended("c")
    hour_ago = scene.now
    scene.later(HOUR + 1)
    await scene.ended("d")
    await scene.deliver_all()

    own = await scene.store.overview("shop", now=scene.now)
    everybody = await scene.store.overview(None, now=scene.now)

    assert own.active == {"amux": 1}
    assert everybody.active == {"amux": 1, "rong": 1}
    assert len(own.ends) == len(everybody.ends) == 1
    assert own.ends[0][0] > hour_ago
    assert own.since == scene.now - HOUR


async def test_lags_are_of_what_the_provider_and_the_receiver_say(scene: Scene) -> None:
    """From the provider's own time, where it says one; to the first acceptance."""
    await scene.add()
    scene.later(2.0)
    finished_at = scene.now - 1.5
    [claimed] = await scene.claim_polls()
    await scene.answer(claimed, succeeded(finished_at=finished_at))
    at = scene.now
    await scene.deliver(BROKEN, after_s=1.0)
    await scene.deliver(ACCEPTED, after_s=9.0)
    await scene.add("other", destination=None)
    await scene.poll(failed())

    seen = await scene.store.overview("shop", now=scene.now)

    known, unknown = sorted(seen.lags, key=lambda lag: lag.at)
    assert known.at == at
    assert known.detection_s == pytest.approx(1.5)
    assert known.delivery_s == pytest.approx(10.0)
    assert (unknown.detection_s, unknown.delivery_s) == (None, None)


async def test_what_is_due_and_lost_is_seen_by_whom_it_concerns(scene: Scene) -> None:
    scene.schedule = scene.schedule.__class__((1.0,))
    await scene.ended(destination=destination(host="down.test"))
    await scene.deliver(BROKEN, after_s=1.0)
    await scene.deliver(BROKEN, after_s=THIRTY_S)
    assert (await scene.list_deliveries())[0].state is DeliveryState.EXHAUSTED
    await scene.add("late", first_poll_s=1.0)
    scene.later(11.0)

    own = await scene.store.overview("shop", now=scene.now)
    others = await scene.store.overview("blog", now=scene.now)
    everybody = await scene.store.overview(None, now=scene.now)

    assert (own.exhausted, others.exhausted, everybody.exhausted) == (1, 0, 1)
    assert own.oldest_poll_at is None  # polls are shared, and nobody's own
    assert everybody.oldest_poll_at == pytest.approx(scene.now - 10.0)


async def test_what_is_lost_is_counted_among_the_newest(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all clients': so a neighbour who has lost a million makes no page slow."""
    scene.schedule = scene.schedule.__class__((1.0,))
    for n in range(3):
        await scene.ended(f"task-{n}", client="blog" if n else "shop")
        await scene.deliver(BROKEN, after_s=1.0)
        await scene.deliver(BROKEN, after_s=THIRTY_S)

    seen = await scene.store.overview("shop", now=scene.now)
    monkeypatch.setattr(figures, "EXHAUSTED", 2)
    own = await scene.store.overview("shop", now=scene.now)
    others = await scene.store.overview("blog", now=scene.now)

    assert (seen.exhausted, seen.more_exhausted) == (1, False)
    assert (own.exhausted, own.more_exhausted) == (0, True)
    assert (others.exhausted, others.more_exhausted) == (2, True)


async def test_a_due_delivery_is_its_clients_backlog(scene: Scene) -> None:
    await scene.ended()
    scene.later(HOUR)
    own = await scene.store.overview("shop", now=scene.now)
    assert own.oldest_delivery_at == pytest.approx(scene.now - HOUR, abs=3.0)
    assert (await scene.store.overview("blog", now=scene.now)).oldest_delivery_at is None


async def test_an_attempt_by_hand_is_not_late_for_centuries(scene: Scene) -> None:
    """It stands before all others, which is a place and not a time."""
    key = await scene.ended()
    await scene.deliver(ACCEPTED, after_s=3.0)
    assert await scene.retry(key)
    scene.later(1.0)
    assert (await scene.store.overview("shop", now=scene.now)).oldest_delivery_at is None


async def test_hosts_that_do_not_answer_are_named(scene: Scene) -> None:
    """Of one's own only, and with when they are tried next."""
    for number in range(40):
        await scene.ended(
            f"task-{number}",
            destination=destination(f"hook-{number}", host="silent.test"),
        )
    for claimed in await scene.claim_deliveries():
        await scene.hear(claimed, TIMEOUT)
    scene.later(3.0)
    for claimed in await scene.claim_deliveries():
        await scene.hear(claimed, TIMEOUT)

    [host] = (await scene.store.overview("shop", now=scene.now)).silent

    assert (host.client, host.host) == ("shop", "silent.test")
    assert host.next_at >= host.since
    assert host.silences > 1
    assert (await scene.store.overview("blog", now=scene.now)).silent == []


async def silenced(scene: Scene, *places: tuple[str, str]) -> dict[tuple[str, str], float]:
    """Since when nobody answers at the three robots of each client and host, all of which
    have lanes of their own.
    """
    since: dict[tuple[str, str], float] = {}
    for client, host in places:
        for n in range(3):
            to = replace(destination(f"{client}-{n}", host), robot=Robot(kind="slack"))
            name = f"{client}-{host}-{n}"
            await scene.add(name, destination=to, client=client, format="slack")
    await scene.poll(succeeded())
    for _ in range(OPEN_AFTER):
        scene.later(3 * HOUR)
        since.clear()
        for claimed in await scene.claim_deliveries():
            scene.later(1.0)
            since.setdefault((claimed.client, claimed.destination.host), scene.now)
            await scene.hear(claimed, TIMEOUT)
    return since


async def test_a_host_is_one_however_many_ways_lead_to_it(scene: Scene) -> None:
    """A chat is one host with a URL for each group: all of these wait at once."""
    since = await silenced(scene, ("shop", "chat.test"), ("blog", "chat.test"))

    seen = await scene.store.overview(None, now=scene.now)
    [own] = (await scene.store.overview("shop", now=scene.now)).silent

    assert {(each.client, each.host): each.since for each in seen.silent} == since
    assert len(seen.silent) == 2
    assert own in seen.silent
    assert (own.client, own.host, own.silences) == ("shop", "chat.test", 3 * OPEN_AFTER)
    assert own.next_at > own.since
    assert (await scene.store.backlog(scene.now))["silent_hosts"] == 2


async def test_of_very_many_silent_hosts_some_are_named(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it is told that there are more, also where so many lanes were looked at."""
    since = await silenced(scene, ("shop", "a.test"), ("shop", "b.test"))
    newest = sorted(since, key=lambda place: since[place], reverse=True)

    whole = await scene.store.overview("shop", now=scene.now)
    monkeypatch.setattr(figures, "HOSTS", 1)
    cut = await scene.store.overview("shop", now=scene.now)
    monkeypatch.setattr(figures, "HOSTS", 2)
    monkeypatch.setattr(figures, "LANES", 4)
    looked = await scene.store.overview("shop", now=scene.now)

    assert [(each.client, each.host) for each in whole.silent] == newest
    assert [(each.client, each.host) for each in cut.silent] == newest[:1]
    found = (whole.more_silent, cut.more_silent, looked.more_silent)
    assert found == (False, True, True)


async def test_receivers_that_refuse_are_named(scene: Scene) -> None:
    """While it is tried again, and when it is given up: each with the last answer."""
    scene.schedule = scene.schedule.__class__((1.0,))
    for number in range(3):
        await scene.ended(f"task-{number}", destination=destination(host="strict.test"))
    first, *rest = await scene.claim_deliveries()
    await scene.hear(first, BROKEN)
    [retried] = (await scene.store.overview("shop", now=scene.now)).refusing
    assert (retried.client, retried.host) == ("shop", "strict.test")
    assert (retried.state, retried.deliveries) == ("retrying", 1)
    assert (retried.last_outcome, retried.last_http_status) == ("refused", 500)

    for claimed in rest:
        await scene.hear(claimed, BROKEN)
    scene.later(THIRTY_S)
    for claimed in await scene.claim_deliveries():
        await scene.hear(claimed, BROKEN)
    seen = await scene.store.overview("shop", now=scene.now)
    [lost] = seen.lost
    assert seen.refusing == []
    assert (lost.host, lost.state, lost.deliveries) == ("strict.test", "exhausted", 3)
    assert lost.last_http_status == 500
    assert lost.hint
    assert lost.since < scene.now
    others = await scene.store.overview("blog", now=scene.now)
    assert (others.refusing, others.lost) == ([], [])


async def test_callers_keys_that_are_refused_are_counted(scene: Scene) -> None:
    """For whose tasks they are, and for the operator, while any of them wait."""
    key = await scene.add("a", provider_key="sk-wrong")
    other = await scene.add("b", provider_key="sk-wrong")
    await scene.add("c", provider_key="sk-right", client="blog")
    scene.later(1.0)
    for claimed in await scene.claim_polls():
        scene.later(0.2)
        good = claimed.task_id == "c"
        await scene.answer(claimed, pending() if good else KEY_REFUSED)
    refused = scene.now
    for client in ("shop", None):
        [seen] = (await scene.store.overview(client, now=scene.now)).refused_keys
        assert (seen.provider, seen.keys) == ("amux", 1)
        assert seen.since == pytest.approx(refused, abs=1.0)
    assert (await scene.store.overview("blog", now=scene.now)).refused_keys == []
    await scene.stop(key)
    assert len((await scene.store.overview("shop", now=scene.now)).refused_keys) == 1
    await scene.stop(other)
    assert (await scene.store.overview("shop", now=scene.now)).refused_keys == []


async def test_how_a_callback_is_called_is_its_clients_to_know(scene: Scene) -> None:
    key = await scene.add(destination=destination(host="own.test"), format="flat")
    call = await scene.store.call(key, "shop")
    assert call is not None
    assert call.to == destination(host="own.test")
    assert (call.format, call.secrets, call.readable) == ("flat", (), True)
    assert await scene.store.call(key, "blog") is None
    quiet = await scene.add("quiet", destination=None)
    assert await scene.store.call(quiet, "shop") is None


def test_what_is_counted_is_bounded() -> None:
    """Somebody looks every few seconds, and a store may hold millions."""
    assert max(figures.COUNTED, figures.ENDS, figures.EXHAUSTED) <= 10_000
    assert figures.SAMPLED <= 500
