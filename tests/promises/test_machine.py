"""Promises 1, 2, 6, 9 and 11, against whatever order of events hypothesis can think of."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bridge.model import Subscription, SubscriptionState
from tests import world as w
from tests.conftest import FakeClock
from tests.promises.backup import Backup
from tests.store.postgres import Server, emptied

T = TypeVar("T")

ENDS = {"succeeded": w.succeeded, "failed": w.failed}
STRANGE: dict[str, Callable[[str], Any]] = {
    "pending": w.pending,
    "not_found": w.not_found,
    "refused": w.refused,
    "throttled": w.throttled,
    "rubbish": w.rubbish,
    "silence": w.silence,
    "empty": lambda _: w.said(200, b""),
    "null": lambda _: w.said(200, {"code": "success", "data": None}),
    "unknown word": lambda task: w.said(200, {"task_id": task, "status": "MELTING"}),
    "broken": lambda _: w.said(502, b"<html>", **{"content-type": "text/html"}),
}
RECEIVERS = (200, 200, 200, 500, 409, 429, 404, 302, 0)
TASKS = ("t1", "t2", "t3")
CLIENTS = ("shop", "blog")


class Fuse:
    """Kills the process at the n-th outside contact from now, before or after it."""

    def __init__(self) -> None:
        self.left = -1
        self.after = False

    def burn(self, *, after: bool) -> None:
        if self.left == 0 and self.after is after:
            self.left = -1
            raise w.Crash
        if self.left > 0 and after:
            self.left -= 1


class BridgeMachine(RuleBasedStateMachine):
    """The bridge, its providers and its receivers, with a model of what was promised."""

    server: Server | None = None  # else on a file of its own

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="bridge-machine-"))
        self.clock = FakeClock()
        self.shared = self.server is not None
        url = self.run(emptied(self.server)) if self.server else None
        self.world = w.World(self.folder, self.clock, database=url)
        self.fuse = Fuse()
        self.truth: dict[str, str] = {}  # how each task has ended, if it has
        self.mood = "pending"  # how providers speak of all else
        self.status = 200  # how receivers answer
        self.subscribed: dict[str, Subscription] = {}
        self.owners: dict[str, str] = {}
        self.stopped: dict[str, int] = {}  # subscription -> posts it had made by then
        self.world.providers.says = self.provider_says
        self.world.receivers.says = self.receiver_says
        self.run(self.world.up())

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(coroutine)

    def provider_says(self, task_id: str) -> Any:
        self.fuse.burn(after=False)
        mood = self.truth.get(task_id) if self.mood == "pending" else None
        answer = {**ENDS, **STRANGE}[mood or self.mood](task_id)
        self.fuse.burn(after=True)
        return answer

    def receiver_says(self, _url: str) -> int:
        self.fuse.burn(after=False)
        return self.status

    def work(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Let the bridge work; if it dies of it, start it again."""
        try:
            self.run(coroutine)
        except* w.Crash:
            self.restart()

    def restart(self) -> None:
        self.fuse.left = -1
        self.run(self.world.down())
        self.run(self.world.up())

    @rule(
        task=st.sampled_from(TASKS),
        client=st.sampled_from(CLIENTS),
        path=st.sampled_from("ab"),
    )
    def subscribe(self, task: str, client: str, path: str) -> None:
        made = self.run(self.world.subscribe(task, client=client, path=path))
        self.subscribed[made.id] = made
        self.owners[made.id] = client

    @rule(task=st.sampled_from(TASKS), end=st.sampled_from(sorted(ENDS)))
    def task_ends(self, task: str, end: str) -> None:
        self.truth.setdefault(task, end)

    @rule(mood=st.sampled_from(sorted(STRANGE)))
    def providers_speak(self, mood: str) -> None:
        self.mood = mood

    @rule(status=st.sampled_from(RECEIVERS))
    def receivers_answer(self, status: int) -> None:
        self.status = status

    @rule(seconds=st.sampled_from((1, 5, 31, 61, 400)))
    def time_passes(self, seconds: int) -> None:
        self.work(self.world.pass_time(seconds, step_s=max(seconds / 5, 1)))

    @precondition(lambda self: not self.shared)  # such a node does nothing
    @rule(hours=st.sampled_from((-1, 1)))
    def wall_clock_is_set(self, hours: int) -> None:
        self.clock.offset += hours * 3_600

    @precondition(lambda self: self.subscribed)
    @rule(data=st.data(), stranger=st.booleans())
    def stop(self, data: st.DataObject, stranger: bool) -> None:
        # In the order they were made: ids are random, and a run must be repeatable.
        chosen = data.draw(st.sampled_from(list(self.subscribed)))
        owner = self.owners[chosen]
        client = owner if not stranger else next(c for c in CLIENTS if c != owner)
        found = self.run(self.world.store.stop(chosen[4:], client, now=self.clock.now()))
        assert found is not stranger
        if not stranger:
            self.stopped.setdefault(chosen, len(self.posts_of(chosen)))

    @rule()
    def dies_idle(self) -> None:
        self.restart()

    @rule(
        contact=st.integers(0, 3),
        after=st.booleans(),
        seconds=st.sampled_from((5, 31, 301)),
    )
    def dies_at_work(self, contact: int, after: bool, seconds: int) -> None:
        self.fuse.left, self.fuse.after = contact, after
        self.work(self.world.pass_time(seconds, step_s=max(seconds / 5, 1)))
        self.fuse.left = -1

    @rule()
    def restored_from_a_copy(self) -> None:
        """The machine is lost; a copy of the database taken now goes on elsewhere."""
        backup = Backup(self.world)
        self.run(backup.take())
        self.run(self.world.down())
        self.run(backup.restore())
        self.run(self.world.up())

    def posts_of(self, subscription_id: str) -> list[w.Post]:
        return list(self.world.ends(self.subscribed[subscription_id]))

    @invariant()
    def one_end_under_one_id(self) -> None:
        for chosen in self.subscribed:
            posts = self.posts_of(chosen)
            assert {post.id for post in posts} <= {f"msg_{chosen[4:]}_0"}
            assert len({post.event["type"] for post in posts}) <= 1

    @invariant()
    def nobody_hears_of_others(self) -> None:
        for post in self.world.receivers.posts:
            owner = self.owners[post.event["data"]["subscription_id"]]
            assert post.url.startswith(f"https://app.test/{owner}/")
            assert post.client == owner

    @invariant()
    def the_stopped_stay_silent(self) -> None:
        for chosen, count in self.stopped.items():
            assert len(self.posts_of(chosen)) == count

    @invariant()
    def only_the_truth_ends_a_task(self) -> None:
        for post in self.world.receivers.posts:
            kind, task = post.event["type"], post.event["data"]["task_id"]
            if kind in {"task.succeeded", "task.failed", "task.cancelled", "task.expired"}:
                assert kind == f"task.{self.truth[task]}"

    @invariant()
    def nothing_needs_repair(self) -> None:
        assert self.world.repaired == 0

    def teardown(self) -> None:
        """All heals; then every subscription that nobody stopped has been told its end."""
        try:
            self.mood, self.status = "pending", 200
            for task in TASKS:
                self.truth.setdefault(task, "succeeded")
            self.run(self.world.pass_time(3 * 86_400, step_s=900))
            for chosen in self.subscribed:
                found = self.run(self.world.store.subscription(chosen[4:], None))
                assert found is not None
                if chosen not in self.stopped:
                    assert found.state is SubscriptionState.ENDED
                    assert (
                        self.world.receivers.taken[chosen] or found.delivery.attempts > 12
                    )
            self.nothing_needs_repair()
            self.one_end_under_one_id()
        finally:
            self.run(self.world.down())
            self.loop.close()
            shutil.rmtree(self.folder)


def play(machine: type[BridgeMachine], *, examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.timeout(1200)
def test_the_promises_hold_whatever_happens() -> None:
    play(BridgeMachine, examples=25, steps=30)


@pytest.mark.timeout(1200)
def test_the_promises_hold_whatever_happens_on_postgresql(server: Server) -> None:
    """Fewer, as each turn takes a dozen transactions."""
    shared = server

    class SharedMachine(BridgeMachine):
        server = shared

    play(SharedMachine, examples=6, steps=20)
