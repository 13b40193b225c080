"""A mount keeps account of what it was asked, which is what politeness is measured by."""

import json

from bridge.model import Answer
from bridge.simulator.mount import Mount
from bridge.simulator.parts import Site
from bridge.simulator.script import Fault, Step, course
from bridge.simulator.words import Dialect

SITE = Site()
NOW = 1_800_000_000.0


def status(found: Answer) -> str:
    word: str = json.loads(found.body)["status"]
    return word


def test_a_magic_task_ages_from_the_first_question() -> None:
    """
    Whoever rehearses has nobody to create the task beforehand.
    """
    mount = Mount(Dialect.SANDBOX)
    seen = [status(mount.answer("succeed-10s", NOW + age, site=SITE)) for age in (0, 5, 10)]
    assert seen == ["queued", "running", "succeeded"]
    assert status(mount.answer("succeed-10s-other", NOW + 10, site=SITE)) == "queued"


def test_an_added_script_wins_over_the_magic_id() -> None:
    """
    Tests may want an id that looks magic to behave otherwise.
    """
    mount = Mount(Dialect.SANDBOX)
    mount.add("succeed-10s", course(1, Step(status=Step().status, fault=Fault.FORBIDDEN)))
    mount.answer("succeed-10s", NOW, site=SITE)
    assert mount.answer("succeed-10s", NOW + 1, site=SITE).http_status == 403
    assert mount.answer("nobody-made-this", NOW, site=SITE).http_status == 404


def test_without_the_right_key_nothing_is_told() -> None:
    """
    A key that goes to the wrong provider must be noticed.
    """
    mount = Mount(Dialect.ENVELOPE, key="k1")
    for wrong in (None, "k1", "Bearer k2", "Bearer "):
        found = mount.answer("succeed", NOW, site=SITE, authorization=wrong)
        assert found.http_status == 401
    found = mount.answer("succeed", NOW, site=SITE, authorization="Bearer k1")
    assert found.http_status == 200
    assert mount.world("succeed", NOW, keyed=False).step.fault is None


def test_a_fault_covers_everything_until_its_time() -> None:
    """
    An outage ends by itself, and the tasks went on meanwhile.
    """
    mount = Mount(Dialect.SANDBOX, key="k")
    mount.set_fault(Step(fault=Fault.BROKEN, http_status=503), until=NOW + 5)
    key = "Bearer k"
    asked = [
        mount.answer("succeed-4s", NOW + age, site=SITE, authorization=key)
        for age in (0, 4, 5)
    ]
    assert [found.http_status for found in asked] == [503, 503, 200]
    assert status(asked[2]) == "succeeded"
    mount.set_fault(Step(fault=Fault.THROTTLED))
    assert mount.answer("x", NOW + 1e9, site=SITE).http_status == 429
    mount.set_fault(None)
    assert mount.answer("x", NOW + 1e9, site=SITE, authorization=key).http_status == 404


def test_every_question_is_counted_by_task_and_time() -> None:
    """
    Duplicate polls and polls too early show up here and nowhere else.
    """
    mount = Mount(Dialect.SANDBOX)
    for age, task_id in ((0, "a"), (1, "b"), (3, "a")):
        mount.answer(task_id, NOW + age, site=SITE)
    assert mount.requests == 3
    assert (mount.polls("a"), mount.polls("b"), mount.polls("c")) == (2, 1, 0)
    assert mount.times("a") == [NOW, NOW + 3]
    assert (mount.visits["a"].first_at, mount.visits["a"].last_at) == (NOW, NOW + 3)


def test_it_forgets_the_oldest_rather_than_grow() -> None:
    """
    `sandbox` is open to anybody who tries the bridge, for weeks.
    """
    mount = Mount(Dialect.SANDBOX, remembered=2)
    for age, task_id in enumerate(("a", "b", "a", "c")):
        mount.answer(task_id, NOW + age, site=SITE)
    assert list(mount.visits) == ["b", "c"]
    assert mount.times("a") == [NOW + 2]
    assert mount.requests == 4


def test_the_most_requests_at_once_are_remembered() -> None:
    """
    A provider's concurrency limit is judged by the peak.
    """
    mount = Mount(Dialect.SANDBOX)
    for step in (
        mount.enter,
        mount.enter,
        mount.leave,
        mount.enter,
        mount.leave,
        mount.leave,
    ):
        step()
    assert (mount.in_flight, mount.max_in_flight) == (0, 2)
