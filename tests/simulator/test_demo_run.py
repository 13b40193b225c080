"""The demo with a stand-in for the bridge: it passes an honest one and fails the others."""

import sys
from pathlib import Path

import pytest
from aiohttp import web
from rich.console import Console

from bridge.clock import SystemClock
from bridge.simulator.demo import run
from bridge.simulator.demo.child import Child, free_port
from bridge.simulator.demo.evidence import Evidence
from bridge.simulator.demo.plan import tasks
from bridge.simulator.demo.rehearsal import Rehearsal
from bridge.simulator.loopback import Loopback
from bridge.simulator.provider import ProviderSimulator
from bridge.simulator.receiver import ReceiverSimulator
from bridge.simulator.words import Dialect

NAIVE = str(Path(__file__).with_name("naive_bridge.py"))
PLAN = tasks(
    """
    amux      succeed-0s  /ok       succeeded
    newapi    missing     /ok       unreachable
    mixroute  fail-0s     /flaky/1  failed
    rong      cancel-0s   /n8n/7    cancelled
    xiexus    succeed-0s  /dead     succeeded
    """
)


async def played(
    *command: str, limit_s: float = 10.0, console: Console | None = None
) -> tuple[int, str]:
    console = console or Console(width=200, no_color=True)
    with console.capture() as written:
        code = await run(
            console,
            clock=SystemClock(),
            plan=PLAN,
            command=(sys.executable, *command),
            limit_s=limit_s,
        )
    return code, written.get()


async def test_an_honest_bridge_passes() -> None:
    """
    The demo's own faults must not be told as the bridge's.
    """
    code, text = await played(NAIVE, "nothing")
    assert code == 0, text
    assert text.splitlines()[-1] == "passed"
    assert "ends told      5 of 5" in text
    assert "xiexus/succeed-0s-n5 -> /dead: exhausted" in text


@pytest.mark.parametrize(
    ("promise", "fault"),
    [
        ("subscribing", "not subscribed: 422"),
        ("proof", "not proven"),
        ("one id", "one end under 2 webhook-ids"),
        ("type", "told task.cancelled, not task.succeeded"),
        ("body", "its attempts differ in their bodies"),
        ("exit", "ended with 3, not 0"),
    ],
)
async def test_a_bridge_that_breaks_a_promise_fails(promise: str, fault: str) -> None:
    """
    A demo that cannot fail shows nothing.
    """
    code, text = await played(NAIVE, promise)
    assert code == 1
    assert fault in text
    assert "listening" in text.splitlines()[-1]


@pytest.mark.parametrize(
    ("promise", "fault"),
    [
        ("telling", "its end was never accepted"),
        ("exhaustion", "delivery is waiting, not exhausted"),
        ("deliveries", "delivery is unknown, not exhausted"),
    ],
)
async def test_what_never_comes_is_not_waited_for_longer_than_the_limit(
    promise: str, fault: str
) -> None:
    """
    A lost webhook is a fault, not a hang.
    """
    code, text = await played(NAIVE, promise, limit_s=0.5)
    assert (code, fault in text) == (1, True)


async def test_a_bridge_that_does_not_start_shows_its_last_words() -> None:
    """
    The reason is in its log, which is about to be deleted.
    """
    code, text = await played("-c", "import sys; sys.exit('no such thing')")
    assert code == 1
    assert text.splitlines()[-2:] == ["the bridge did not become ready", "no such thing"]


async def test_a_command_that_is_not_there_leaves_nothing_behind(tmp_path: Path) -> None:
    """
    Stopping what never started must not hide the first error.
    """
    child = Child(["/nonexistent"], url="http://127.0.0.1:1", log=tmp_path / "log")
    with pytest.raises(FileNotFoundError):
        await child.start()
    assert await child.stop() is None


async def test_a_process_that_does_not_heed_sigterm_is_killed(tmp_path: Path) -> None:
    """
    The demo must not leave a process behind.
    """
    log = tmp_path / "log"
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('deaf', flush=True); time.sleep(60)"
    )

    async def ready(_: web.BaseRequest) -> web.Response:
        return web.Response(status=200 if log.read_text() else 503)

    server = Loopback(ready)
    url = await server.start()
    child = Child([sys.executable, "-c", deaf], url=url, log=log, stop_s=0.1)
    assert await child.start()
    assert await child.stop() == -9
    assert child.last_words() == ["deaf"]
    await server.stop()


async def test_a_process_that_never_gets_ready_is_not_waited_for(tmp_path: Path) -> None:
    """
    Alive is not ready: its database may be locked.
    """

    async def unready(_: web.BaseRequest) -> web.Response:
        return web.Response(status=503)

    server = Loopback(unready)
    url = await server.start()
    child = Child(["sleep", "60"], url=url, log=tmp_path / "log", start_s=0.2)
    assert not await child.start()
    assert await child.stop() == -15
    await server.stop()


async def test_a_bridge_that_answers_nothing_is_told_of_each_task() -> None:
    """
    It may have died between readiness and the first request.
    """
    clock = SystemClock()
    async with ProviderSimulator(clock) as provider, ReceiverSimulator(clock) as receiver:
        for name in ("amux", "newapi", "mixroute", "rong", "xiexus"):
            provider.mount(f"/{name}", Dialect.ARK)
        rehearsal = Rehearsal(
            PLAN,
            bridge_url=f"http://127.0.0.1:{free_port()}",
            api_key="k",
            provider=provider,
            receiver=receiver,
            clock=clock,
        )
        shown: list[Evidence] = []
        await rehearsal.play(shown.append, limit_s=5)
    assert set(shown[-1].refusals) == set(PLAN)
    assert all(each.startswith("no answer: ") for each in shown[-1].refusals.values())
