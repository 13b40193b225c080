"""A broken proxy of the operator's is nobody else's fault, and loses nothing."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bridge.assembly.egress import callback_way
from bridge.config import Config
from bridge.model import (
    Answer,
    AttemptOutcome,
    Destination,
    PollOutcome,
    PollRequest,
    Reply,
)
from bridge.net.body import ByteBudget
from bridge.polling.upstream import Upstream
from bridge.providers.configured import configured
from tests import world as w
from tests.conftest import FakeClock
from tests.net.hostile import way_out
from tests.net.proxies import proxy
from tests.world import World

BROKEN = Answer(http_status=None, failure="proxy_error", detail="the proxy is not there")


@dataclass
class Behind:
    """A receiver behind a proxy: `says` None, the proxy is broken."""

    clock: FakeClock
    says: AttemptOutcome | None = None
    at: list[float] = field(default_factory=list)

    async def send(
        self,
        destination: Destination,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> Reply:
        self.at.append(self.clock.now())
        return Reply(outcome=self.says or AttemptOutcome.PROXY_ERROR)


@pytest.fixture
async def world(tmp_path: Path, clock: FakeClock) -> AsyncIterator[World]:
    world = await World(tmp_path, clock).up()
    world.providers.says = w.succeeded
    yield world
    await world.down()


def behind(world: World) -> Behind:
    found = Behind(world.clock)
    setattr(world, "sender", found)  # noqa: B010 - it is declared as the usual one
    world.build()
    return found


async def test_an_outage_of_the_proxy_uses_up_no_attempt(world: World) -> None:
    """
    After it the receiver has its whole schedule, from the first step on.
    """
    receiver = behind(world)
    subscription = await world.subscribe("t1")
    await world.pass_time(12 * 3_600.0, step_s=60.0)
    made = len(receiver.at)
    assert made > 13
    gaps = [b - a for a, b in zip(receiver.at, receiver.at[1:], strict=False)]
    assert max(gaps) <= 900 * 1.1 + 60
    delivery = await world.delivery(subscription)
    assert (delivery.state, delivery.last_outcome) == ("retrying", "proxy_error")
    assert delivery.hint is not None
    assert "callbacks.proxy" in delivery.hint
    receiver.says = AttemptOutcome.REFUSED
    await world.pass_time(1_200.0, step_s=1.0)
    steps = [
        b - a for a, b in zip(receiver.at[made:], receiver.at[made + 1 :], strict=False)
    ]
    assert 5 <= steps[0] <= 7
    assert 15 <= steps[1] <= 18
    receiver.says = AttemptOutcome.ACCEPTED
    await world.pass_time(3_700.0, step_s=60.0)
    assert (await world.delivery(subscription)).state == "accepted"


async def test_a_proxy_that_stays_broken_ends_a_delivery_by_its_age(world: World) -> None:
    """
    It is retried by hand then; nothing is tried for ever.
    """
    receiver = behind(world)
    subscription = await world.subscribe("t1")
    await world.pass_time(4 * 86_400.0, step_s=600.0)
    delivery = await world.delivery(subscription)
    assert (delivery.state, delivery.last_outcome) == ("exhausted", "proxy_error")
    assert receiver.at[-1] - receiver.at[0] > 2.5 * 86_400


async def test_a_providers_proxy_that_is_broken_is_not_the_provider(world: World) -> None:
    """
    No circuit opens, so that all are asked about again as soon as it is mended.
    """
    world.providers.says = lambda _: BROKEN
    made = await asyncio.gather(*(world.subscribe(f"t{n}") for n in range(30)))
    await world.pass_time(600.0)
    shown = await world.show(made[0])
    assert shown.last_poll is not None
    assert (shown.last_poll.outcome, shown.last_poll.detail) == (
        PollOutcome.TRANSIENT,
        "the proxy is not there",
    )
    assert world.poller.pulse("amux").down_since is None
    counted = world.metrics.registry.get_sample_value(
        "bridge_poll_proxy_faults_total", {"provider": "amux"}
    )
    assert counted == len(world.providers.questions)
    world.providers.says = w.succeeded
    await world.pass_time(60.0)
    assert len(world.receivers.taken) == 30


async def test_a_poll_goes_the_way_of_its_provider() -> None:
    """
    And what its proxy says of itself is told without the password to it.
    """
    async with (
        proxy({}, says=b"HTTP/1.1 407 No\r\n\r\n") as proxied,
        way_out({}, allow_networks=()) as egress,
    ):
        url = f"http://me:p4ss@127.0.0.1:{proxied.port}"
        config = w.config_with(proxy=SecretStr(url))
        way = configured(config)["amux"].way
        upstream = Upstream(egress, budget=ByteBudget(1 << 20))
        request = PollRequest(method="GET", url="https://api.test/t", headers={}, way=way)
        answer = await upstream.ask(request)
        assert proxied.asked == ["api.test:443"]
        assert b"Proxy-Authorization: Basic" in proxied.heads[0]
        assert (answer.http_status, answer.failure) == (None, "proxy_error")
        assert "407" in (answer.detail or "")
        assert "p4ss" not in repr((answer, request))


async def test_every_poll_of_the_loop_carries_its_way(world: World) -> None:
    """
    A key must not leave by another door than the operator opened.
    """
    config = w.config_with(proxy=SecretStr("http://proxy.test:3128"))
    asked: list[PollRequest] = []

    class Asked:
        async def ask(self, request: PollRequest) -> Answer:
            asked.append(request)
            return w.succeeded("t1")

    world.config = config
    setattr(world, "upstream", Asked())  # noqa: B010 - it is declared as the usual one
    world.build()
    await world.subscribe("t1")
    await world.pass_time(30.0)
    assert asked
    assert {one.way.proxy for one in asked} == {"http://proxy.test:3128"}


def test_ways_are_what_the_configuration_says() -> None:
    """
    A callback's name is looked up here, a provider's by its proxy.
    """
    config = w.config_with(proxy=SecretStr("http://proxy.test:3128"))
    changed = with_callbacks(config, proxy=SecretStr("https://out.test"))
    assert configured(config)["amux"].way.by_name
    assert not configured(config)["newapi"].way.by_name
    assert callback_way(config.callbacks).proxy is None
    assert callback_way(changed.callbacks).proxy == "https://out.test"
    assert not callback_way(changed.callbacks).by_name


def with_callbacks(config: Config, **update: Any) -> Config:
    callbacks = config.callbacks.model_copy(update=update)
    return config.model_copy(update={"callbacks": callbacks})


def test_a_reply_of_the_proxy_says_nothing_of_the_receiver() -> None:
    """
    It had nothing, so that a later "finished already" proves nothing either.
    """
    assert not AttemptOutcome.PROXY_ERROR.lost
