"""Promise 4: one slow, dead, huge or greedy party harms nobody else."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from bridge.delivery.flight import UNPROVEN_MOST
from bridge.lanes import LOOK, Lane, share
from bridge.model import (
    Answer,
    DeliveryState,
    Destination,
    PollOutcome,
    PollRequest,
    Robot,
)
from bridge.net.body import ByteBudget
from bridge.polling.upstream import Upstream
from bridge.simulator.reactions import Reaction
from tests import world as w
from tests.conftest import FakeClock
from tests.net.hostile import hang, raw_server, request, way_out
from tests.promises.wired import wired
from tests.world import Gate, World

SLOTS, LANE_SLOTS, HOST_SLOTS = 256, 64, 16
FEW_LEFT = 90  # slots held of the 128 that one provider may have
FEW_HOSTS = 60  # fewer than one client may try at a time
FEW_TRIED = 40  # slots held of the 96 that one client may have where nobody has answered
SOON_S = 5.0  # a first poll is due after one second, a first attempt after two
MIB = 1 << 20


@pytest.fixture
def gate() -> Gate:
    return Gate()


def unless_dead(gate: Gate) -> Callable[[str], Awaitable[int]]:
    """Receivers that hang, if their host is called dead."""

    async def receive(url: str) -> int:
        if "//dead" in url:
            await gate.wait()
        return 200

    return receive


def unless_slow(gate: Gate) -> Callable[[str], Awaitable[Answer]]:
    """A provider that hangs about tasks that are called slow."""

    async def answer(task_id: str) -> Answer:
        if task_id.startswith("slow"):
            await gate.wait()
        return w.succeeded(task_id)

    return answer


async def proven(world: World, host: str) -> None:
    """It has answered once, and so may have as much in flight as any host."""
    world.providers.says, world.receivers.says = w.succeeded, lambda _: 200
    await world.subscribe("before", host=host)
    world.clock.advance(3)
    await world.turn()


async def told_within(world: World, seconds: float, *subscriptions: str) -> None:
    """Fails unless all of them have been told by then."""
    until = world.clock.now() + seconds

    def done() -> bool:
        assert world.clock.now() <= until, "not told in time"
        return set(subscriptions) <= set(world.receivers.taken)

    await world.until(done)


async def test_a_provider_that_hangs_delays_no_other_provider(
    world: World, gate: Gate
) -> None:
    """With many callers' own keys, each a lane of its own, it could have every slot."""
    world.providers.says = unless_slow(gate)
    keys = SLOTS // LANE_SLOTS + 2
    for key in range(keys):
        await asyncio.gather(
            *(
                world.subscribe(f"slow-{n}", provider_key=f"sk-{key}")
                for n in range(LANE_SLOTS + 10)
            )
        )
    async with world.running():
        await world.until(lambda: gate.held >= FEW_LEFT)
        others = [await world.subscribe(f"t{n}", provider="newapi") for n in range(20)]
        await told_within(world, SOON_S, *(one.id for one in others))
        assert FEW_LEFT <= gate.held <= SLOTS // 2
        gate.open()


async def test_one_key_that_hangs_delays_no_other_key(world: World, gate: Gate) -> None:
    """A gateway may serve one account from a machine that is down."""
    world.providers.says = unless_slow(gate)
    await asyncio.gather(*(world.subscribe(f"slow-{n}") for n in range(2 * LANE_SLOTS)))
    async with world.running():
        await world.until(lambda: gate.held == LANE_SLOTS)
        others = [await world.subscribe(f"t{n}", provider_key="sk-b") for n in range(20)]
        await told_within(world, SOON_S, *(one.id for one in others))
        gate.open()


async def test_a_receiver_that_hangs_delays_no_other_host(world: World, gate: Gate) -> None:
    """However much waits for it, it has so many slots and no more."""
    await proven(world, "dead.test")
    world.providers.says, world.receivers.says = w.succeeded, unless_dead(gate)
    await asyncio.gather(*(world.subscribe(f"d{n}", host="dead.test") for n in range(300)))
    async with world.running():
        await world.until(lambda: gate.held >= 3 * HOST_SLOTS // 4)
        fine = [await world.subscribe(f"t{n}", host=f"{n}.test") for n in range(50)]
        await told_within(world, SOON_S, *(one.id for one in fine))
        assert gate.held <= HOST_SLOTS
        gate.open()


async def test_many_hosts_that_hang_delay_no_healthy_one(world: World, gate: Gate) -> None:
    """Twenty customers' servers are down behind one firewall; the twenty-first is up."""
    world.providers.says, world.receivers.says = w.succeeded, unless_dead(gate)
    for host in range(20):
        await asyncio.gather(
            *(world.subscribe(f"d{n}", host=f"dead{host}.test") for n in range(20))
        )
    async with world.running():
        await world.until(lambda: gate.held >= FEW_TRIED)
        fine = [await world.subscribe(f"t{n}", host=f"{n % 3}.test") for n in range(30)]
        await told_within(world, SOON_S, *(one.id for one in fine))
        gate.open()


@pytest.mark.parametrize("dead", [40, 6 * LOOK])
async def test_hosts_that_have_answered_do_not_wait_for_those_that_never_have(
    world: World, gate: Gate, dead: int
) -> None:
    """Many names of one client hang together, more than it has slots for, and than are
    looked at; each has more waiting than may be tried at a time.
    """
    world.providers.says, world.receivers.says = w.succeeded, unless_dead(gate)
    for number in range(30):
        await world.subscribe("before", host=f"{number}.test")
    world.clock.advance(3)
    await world.turn()
    for number in range(3):
        await asyncio.gather(
            *(world.subscribe(f"d{number}", host=f"dead{n}.test") for n in range(dead))
        )
    async with world.running():
        await world.until(lambda: gate.held >= FEW_TRIED)
        fine = [await world.subscribe(f"t{n}", host=f"{n}.test") for n in range(30)]
        await told_within(world, SOON_S, *(one.id for one in fine))
        gate.open()


async def test_one_clients_dead_hosts_delay_no_other_client(
    world: World, gate: Gate
) -> None:
    """A client may have any number of hosts; its share of the slots is bounded."""
    world.providers.says, world.receivers.says = w.succeeded, unless_dead(gate)
    for host in range(40):
        await asyncio.gather(
            *(world.subscribe(f"d{n}", host=f"dead{host}.test") for n in range(10))
        )
    async with world.running():
        await world.until(lambda: gate.held >= FEW_TRIED)
        fine = [
            await world.subscribe(f"t{n}", client="blog", host=f"{n}.test")
            for n in range(30)
        ]
        await told_within(world, SOON_S, *(one.id for one in fine))
        assert gate.held <= SLOTS // 2
        gate.open()


async def test_at_a_shared_host_the_client_that_hangs_does_not_come_first(
    world: World, gate: Gate
) -> None:
    """Both call the same chat service; hundreds of one's older deliveries hang there."""

    async def receive(url: str) -> int:
        if "/shop/" in url:
            await gate.wait()
        return 200

    await proven(world, "app.test")
    world.receivers.says = receive
    await asyncio.gather(*(world.subscribe(f"d{n}") for n in range(300)))
    async with world.running():
        await world.until(lambda: gate.held >= HOST_SLOTS // 2)
        fine = [await world.subscribe(f"t{n}", client="blog") for n in range(5)]
        await told_within(world, SOON_S, *(one.id for one in fine))
        gate.open()


async def test_retries_that_hang_leave_room_for_first_attempts(
    world: World, gate: Gate
) -> None:
    """After an outage thousands of retries are due at once; new results still go out."""
    world.providers.says, world.receivers.says = w.succeeded, lambda _: 500
    for host in range(20):
        await asyncio.gather(
            *(world.subscribe(f"d{n}", host=f"dead{host}.test") for n in range(20))
        )
    world.clock.advance(SOON_S)
    await world.turn()
    world.receivers.says = unless_dead(gate)
    world.clock.advance(10)
    async with world.running():
        await world.until(lambda: gate.held >= FEW_LEFT)
        fine = [await world.subscribe(f"t{n}", host=f"{n % 3}.test") for n in range(30)]
        await told_within(world, SOON_S, *(one.id for one in fine))
        gate.open()


async def test_first_attempts_that_fill_a_client_leave_its_retries_their_slots(
    world: World, gate: Gate
) -> None:
    """One that failed a moment ago, and is due again while new ones hang all over."""
    world.providers.says = w.succeeded
    world.receivers.says = lambda _: 500
    retried = await world.subscribe("ok", host="ok.test")
    world.clock.advance(3)
    await world.turn()
    await asyncio.gather(
        *(world.subscribe(f"t{n}", host=f"dead{n}.test") for n in range(SLOTS))
    )
    world.receivers.says = unless_dead(gate)
    async with world.running():
        await world.until(lambda: gate.held >= FEW_TRIED)
        await told_within(world, 10, retried.id)
        gate.open()


@pytest.mark.parametrize("retries", [False, True])
async def test_what_has_to_wait_for_a_slot_does_not_make_the_loop_spin(
    world: World, gate: Gate, retries: bool
) -> None:
    """Far more hosts hang than there are slots for, for a whole timeout."""
    world.providers.says, world.receivers.says = w.succeeded, lambda _: 500
    await asyncio.gather(
        *(world.subscribe(f"t{n}", host=f"dead{n}.test") for n in range(2 * SLOTS))
    )
    world.clock.advance(3)
    if retries:
        await world.turn()
        world.clock.advance(60)
    world.receivers.says = unless_dead(gate)
    async with world.running():
        await world.until(lambda: gate.held >= FEW_TRIED)
        for _ in range(5):
            world.clock.advance(0.1)
            await w.settled(world.store)
        assert (await world.dispatcher._claim()).wait_s > 0
        gate.open()


async def test_a_client_hides_no_hosts_from_another(world: World, gate: Gate) -> None:
    """One fills many hosts; the other's healthy one stands behind its own to these."""
    world.providers.says, world.receivers.says = w.succeeded, unless_dead(gate)
    for host in range(FEW_HOSTS):
        await asyncio.gather(
            *(world.subscribe(f"t{n}", host=f"dead{host}.test") for n in range(HOST_SLOTS))
        )
    async with world.running():
        await world.until(lambda: gate.held >= FEW_TRIED)
        await asyncio.gather(
            *(
                world.subscribe("t", client="blog", host=f"dead{host}.test")
                for host in range(FEW_HOSTS)
            )
        )
        fine = await world.subscribe("fine", client="blog", host="fine.test")
        await told_within(world, SOON_S, fine.id)
        gate.open()


async def test_first_attempts_that_hang_leave_room_for_retries(
    world: World, gate: Gate
) -> None:
    """Who was down for five seconds is not punished for what others do meanwhile."""
    world.providers.says, world.receivers.says = w.succeeded, lambda _: 500
    retried = [await world.subscribe(f"t{n}", host=f"{n % 3}.test") for n in range(30)]
    world.clock.advance(SOON_S)
    await world.turn()
    world.receivers.says = unless_dead(gate)
    for host in range(20):
        await asyncio.gather(
            *(world.subscribe(f"d{n}", host=f"dead{host}.test") for n in range(20))
        )
    async with world.running():
        await told_within(world, 10, *(one.id for one in retried))
        assert gate.held >= FEW_TRIED
        gate.open()


def test_the_last_free_slot_goes_to_who_has_waited_longest() -> None:
    """Not to the lane with the least room left, which is the one that hogs the slots."""
    waiting, hogging = Lane(1, "a", "a", ready_at=1.0), Lane(2, "b", "b", ready_at=2.0)
    rooms = {1: 64, 2: 1}
    assert share([waiting, hogging], 1, lambda lane: rooms[lane.id]) == [(waiting, 1)]
    assert share([hogging, waiting], 1, lambda lane: rooms[lane.id]) == [(hogging, 1)]


async def test_forty_names_that_nobody_answers_for_delay_no_other_name(
    tmp_path: Path, clock: FakeClock
) -> None:
    """A resolver in a few threads would be taken by the first three of them."""
    names = {f"silent{n}.test": None for n in range(40)}
    async with wired(
        tmp_path, clock, names | {"fine.test": ["127.0.0.1"]},
        callbacks={"allow_networks": ["127.0.0.0/8"]},
    ) as node:  # fmt: skip
        port = node.receiver.url.rpartition(":")[2]
        for n in range(40):
            await node.subscribe(f"no-url-0s-{n}", f"http://silent{n}.test:{port}/ok")
        async with node.running():
            await node.until(lambda: node.provider.requests == 40)
            await node.subscribe("no-url-0s", f"http://fine.test:{port}/ok")
            async with asyncio.timeout(0.9):  # the resolver gives up after one second
                await node.until(lambda: len(node.receiver.requests) == 1)


async def test_what_greedy_answers_take_is_not_what_small_ones_need() -> None:
    """All the memory for answers is taken by some that never end; the others are read."""
    taken = asyncio.Event()
    budget = ByteBudget(MIB)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await request(reader)).split()[1]
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        if path == b"/greedy":
            writer.write(b" " * (MIB + 60_000))
            await writer.drain()
            taken.set()
            await hang(reader, writer)
        writer.write(b"{}")

    async with raw_server(talk) as (port, _), way_out() as egress:
        upstream = Upstream(egress, budget=budget)

        def asked(path: str) -> PollRequest:
            url = f"http://127.0.0.1:{port}/{path}"
            return PollRequest(method="GET", url=url, headers={}, timeout_s=1)

        greedy = asyncio.create_task(upstream.ask(asked("greedy")))
        await taken.wait()
        small = await asyncio.gather(*(upstream.ask(asked("small")) for _ in range(20)))
        assert {answer.body for answer in small} == {b"{}"}
        assert (await greedy).failure == "timeout"
        assert budget.free == MIB


async def test_answers_without_end_are_cut_and_their_neighbours_read() -> None:
    """32 MiB are read, one byte more is not, and what unpacks to more is not unpacked."""
    bomb = gzip.compress(b"\0" * (64 * MIB), compresslevel=1)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await request(reader)).split()[1]
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n")
        if path == b"/bomb":
            writer.write(b"Content-Encoding: gzip\r\n\r\n" + bomb)
        else:
            writer.write(b"\r\n" + b" " * int(path[1:]))
        await writer.drain()

    async with raw_server(talk) as (port, _), way_out() as egress:
        budget = ByteBudget(128 * MIB)
        upstream = Upstream(egress, budget=budget)

        async def ask(path: str) -> Answer:
            url = f"http://127.0.0.1:{port}/{path}"
            return await upstream.ask(PollRequest(method="GET", url=url, headers={}))

        whole, over, bombed, small = await asyncio.gather(
            ask(f"{32 * MIB}"), ask(f"{32 * MIB + 1}"), ask("bomb"), ask("2")
        )
        assert (len(whole.body), whole.too_large) == (32 * MIB, False)
        assert [(one.body, one.too_large) for one in (over, bombed)] == [(b"", True)] * 2
        assert small.body == b"  "
        assert budget.free == 128 * MIB


async def test_a_receiver_that_answers_for_ever_costs_one_timeout(
    tmp_path: Path, clock: FakeClock
) -> None:
    """Its status came first, and that alone counts; nobody waits for the rest."""
    async with wired(tmp_path, clock) as node:
        node.receiver.script("/long", [Reaction(body=b"x" * (8 * MIB))])
        long = await node.subscribe("no-url-0s", f"{node.receiver.url}/long")
        await node.turn(5)
        attempt = (await node.delivery(long)).log[0]
        assert (attempt.http_status, len(attempt.answer)) == (200, 4096)


async def test_one_watch_that_can_no_longer_be_asked_about_stops_nobody(
    tmp_path: Path, clock: FakeClock
) -> None:
    """The operator's page has a new variable, which older subscriptions do not have."""
    page = {
        "request": {"path": "/v1/{region}/tasks/{task_id}"},
        "params": {"region": {"required": True}},
    }
    async with wired(tmp_path, clock, page=page) as node:
        url = f"{node.receiver.url}/ok"
        old = await node.subscribe("old", url)
        new = await node.subscribe("new", url, params={"region": "eu"})
        await node.turn(5)
        seen = [(await node.show(one)).last_poll for one in (old, new)]
        assert seen[0] is not None
        assert seen[0].outcome is PollOutcome.MISCONFIGURED
        assert seen[1] is not None
        assert (
            seen[1].http_status == 404
        )  # it was asked about; the simulator has no such path


async def test_one_delivery_that_nobody_can_sign_stops_nobody(
    tmp_path: Path, clock: FakeClock
) -> None:
    """An operator repeats by hand what was owed to a client that is gone since."""
    async with wired(tmp_path, clock) as node:
        url = f"{node.receiver.url}/ok"
        lost = await node.subscribe("no-url-0s", url, client="long-gone")
        fine = await node.subscribe("no-url-0s", url)
        await node.turn(5)
        delivery = await node.delivery(lost)
        assert delivery.state is DeliveryState.RETRYING
        assert "no longer configured" in str(delivery.log[0].detail)
        assert (await node.delivery(fine)).state is DeliveryState.ACCEPTED
        assert len(node.receiver.requests) == 1


@pytest.mark.parametrize("where", ["poll", "delivery"])
async def test_a_fault_of_ours_with_one_piece_of_work_stops_nobody(
    world: World, where: str
) -> None:
    """Some stranger's answer has set off a bug; its task is tried again, the rest go on."""
    faulty = [True]

    def trips(name: str) -> None:
        if faulty[0] and "odd" in name:
            raise ZeroDivisionError

    def provider(task_id: str) -> Answer:
        trips(task_id if where == "poll" else "")
        return w.succeeded(task_id)

    def receiver(url: str) -> int:
        trips(url if where == "delivery" else "")
        return 200

    world.providers.says, world.receivers.says = provider, receiver
    odd = await world.subscribe("odd", host="odd.test")
    fine = [await world.subscribe(f"t{n}", host=f"{n}.test") for n in range(5)]
    async with world.running():
        await told_within(world, SOON_S, *(one.id for one in fine))
        assert not world.ends(odd)
        shown = await world.show(odd)
        assert "a fault in poll-bridge" in (
            str(shown.last_poll and shown.last_poll.detail)
            if where == "poll"
            else str((await world.delivery(odd)).log[0].detail)
        )
        faulty[0] = False
        await told_within(world, 60, odd.id)


async def test_a_fault_that_stays_is_given_up_like_any_failure(world: World) -> None:
    """Not repeated with each lease for ever: its attempts are counted."""

    def receiver(_url: str) -> int:
        raise ZeroDivisionError

    world.providers.says, world.receivers.says = w.succeeded, receiver
    made = await world.subscribe("odd")
    await world.pass_time(5 * 86_400, step_s=1_800)
    delivery = await world.delivery(made)
    assert delivery.state is DeliveryState.EXHAUSTED
    assert delivery.attempts == 13


async def test_one_throttled_url_does_not_rest_the_others_of_its_host(world: World) -> None:
    """A chat service, a hosted n8n: one workflow there is over its limit, for ever."""
    world.providers.says = w.succeeded
    world.receivers.says = lambda url: 429 if "over-limit" in url else 200
    backlog = [
        await world.subscribe(f"b{n}", path="over-limit", host="hosted.test")
        for n in range(40)
    ]
    async with world.running():
        await world.until(lambda: len(world.receivers.posts) > 1)
        for round_ in range(5):
            fine = [
                await world.subscribe(
                    f"t{round_}-{n}", path=f"fine-{n}", host="hosted.test"
                )
                for n in range(5)
            ]
            await told_within(world, SOON_S, *(one.id for one in fine))
    assert not any(world.ends(one)[-1].status == 200 for one in backlog if world.ends(one))


async def test_two_throttled_urls_let_the_others_of_their_host_through(
    world: World,
) -> None:
    """Then the whole host is tried gently, but not given up."""
    world.providers.says = w.succeeded
    world.receivers.says = lambda url: 429 if "over-limit" in url else 200
    for n in range(20):
        await world.subscribe(f"b{n}", path=f"over-limit-{n % 2}", host="hosted.test")
    async with world.running():
        await world.until(lambda: len(world.receivers.posts) > 3)
        for round_ in range(5):
            fine = await world.subscribe(f"t{round_}", host="hosted.test")
            await told_within(world, 60.0, fine.id)


async def test_a_client_with_more_dead_hosts_than_are_looked_at_hides_nobody(
    world: World, gate: Gate
) -> None:
    """What waits behind them is seen, of others and of the client itself."""
    world.providers.says, world.receivers.says = w.succeeded, unless_dead(gate)
    for task_id in ("a", "b"):
        await asyncio.gather(
            *(
                world.subscribe(task_id, host=f"dead-{n}.test", path=task_id)
                for n in range(3 * LOOK)
            )
        )
    async with world.running():
        await world.until(lambda: gate.held >= FEW_TRIED)
        other = await world.subscribe("t", client="blog", host="blog.test")
        await told_within(world, SOON_S, other.id)
        gate.open()
        own = await world.subscribe("t", host="fine.test")
        await told_within(world, SOON_S, own.id)
    assert len(world.receivers.taken) == 6 * LOOK + 2


@pytest.mark.parametrize("answered", [False, True])
async def test_lanes_without_number_at_a_full_host_hide_nobody(
    world: World, gate: Gate, answered: bool
) -> None:
    """Each robot of a service has one of its own, and the service hangs: one that had
    answered before, or nobody knows of.
    """
    if answered:
        await proven(world, "dead.test")
    most = HOST_SLOTS - HOST_SLOTS // 8 if answered else UNPROVEN_MOST
    world.providers.says, world.receivers.says = w.succeeded, unless_dead(gate)
    for n in range(3 * LOOK):
        to = Destination(
            url=f"https://dead.test/{n}", host="dead.test", robot=Robot(kind="slack")
        )
        await world.subscribe(f"d{n}", destination=to, format="slack")
    async with world.running():
        await world.until(lambda: gate.held >= most)
        fine = await world.subscribe("t", host="fine.test")
        await told_within(world, SOON_S, fine.id)
        assert gate.held <= HOST_SLOTS
        assert (await world.dispatcher._claim()).wait_s != 0
        gate.open()


async def test_a_retry_to_a_host_does_not_wait_for_a_backlog_of_first_attempts(
    world: World, gate: Gate
) -> None:
    """There is always one more, and each is first."""
    await proven(world, "dead.test")
    world.providers.says, world.receivers.says = w.succeeded, lambda _: 500
    failed = await world.subscribe("failed", host="dead.test")
    world.clock.advance(3)
    await world.turn()
    world.receivers.says = unless_dead(gate)
    await asyncio.gather(*(world.subscribe(f"d{n}", host="dead.test") for n in range(300)))
    async with world.running():
        await world.until(lambda: gate.held >= 3 * HOST_SLOTS // 4)
        busy = gate.held
        world.clock.advance(10)
        await world.until(lambda: gate.held > busy)
        assert (await world.delivery(failed)).attempts == 2
        gate.open()


async def test_keys_without_number_hide_nobody(world: World, gate: Gate) -> None:
    """Anybody can invent keys; each is an account of its own."""
    world.providers.says = unless_slow(gate)
    for name in ("a", "b"):
        await asyncio.gather(
            *(
                world.subscribe(f"slow-{n}-{name}", provider_key=f"sk-{n}")
                for n in range(3 * LOOK)
            )
        )
    async with world.running():
        await world.until(lambda: gate.held >= FEW_LEFT)
        other = await world.subscribe("t", provider="newapi")
        await told_within(world, SOON_S, other.id)
        gate.open()
        own = await world.subscribe("t")
        await told_within(world, SOON_S, own.id)
    assert len(world.receivers.taken) == 6 * LOOK + 2
