"""The whole demo: simulators, a real bridge between them, a rehearsal, an exit code."""

import json
import secrets
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bridge import signature
from bridge.clock import Clock
from bridge.simulator.demo import board
from bridge.simulator.demo.child import Child, free_port
from bridge.simulator.demo.evidence import Evidence, judge
from bridge.simulator.demo.plan import DIALECTS, PlannedTask, Upstream, configuration, tasks
from bridge.simulator.demo.rehearsal import Rehearsal
from bridge.simulator.provider import ProviderSimulator
from bridge.simulator.receiver import ReceiverSimulator

SERVE = (sys.executable, "-m", "bridge", "serve")
LIMIT_S = 30.0
PASSED, FAILED = 0, 1


async def run(
    console: Console,
    *,
    clock: Clock,
    plan: Sequence[PlannedTask] | None = None,
    command: Sequence[str] = SERVE,
    limit_s: float = LIMIT_S,
) -> int:
    """0 only if every end was told, proven and under one id, and the bridge ended cleanly.

    `command` is given ``--config FILE``.
    """
    planned = tasks() if plan is None else tuple(plan)
    signing_secret, api_key = signature.mint(), secrets.token_urlsafe(24)
    async with (
        ProviderSimulator(clock) as provider,
        ReceiverSimulator(clock, secrets=[signing_secret]) as receiver,
    ):
        with tempfile.TemporaryDirectory(prefix="poll-bridge-demo-") as directory:
            home, port = Path(directory), free_port()
            url = f"http://127.0.0.1:{port}"
            config = configuration(
                port=port,
                database=str(home / "bridge.db"),
                encryption_key=secrets.token_urlsafe(32),
                api_key=api_key,
                signing_secret=signing_secret,
                upstreams=mounted(provider),
            )
            file = written(home / "config.json", json.dumps(config, indent=2))
            child = Child(
                (*command, "--config", str(file)), url=url, log=home / "bridge.log"
            )
            rehearsal = Rehearsal(
                planned,
                bridge_url=url,
                api_key=api_key,
                provider=provider,
                receiver=receiver,
                clock=clock,
            )
            _print(console, [board.introduction(planned, url)])
            return await _play(console, rehearsal, child, planned, limit_s)


async def _play(
    console: Console,
    rehearsal: Rehearsal,
    child: Child,
    planned: Sequence[PlannedTask],
    limit_s: float,
) -> int:
    try:
        if not await child.start():
            _print(console, ["the bridge did not become ready", *child.last_words()])
            return FAILED
        with board.Board(console) as shown:

            def show(seen: Evidence) -> None:
                shown.show(board.rows(planned, seen))

            await rehearsal.play(show, limit_s=limit_s)
    finally:
        exit_code = await child.stop()
    verdict = judge(planned, rehearsal.evidence(exit_code))
    _print(console, board.summary(verdict))
    if not verdict.passed:
        _print(console, ["the bridge's last words:", *child.last_words()])
    return PASSED if verdict.passed else FAILED


def mounted(provider: ProviderSimulator) -> dict[str, Upstream]:
    """Every provider of the plan in its own dialect, with a key of its own."""
    keys = {name: secrets.token_urlsafe(16) for name in DIALECTS}
    return {
        name: Upstream(
            base_url=provider.mount(f"/{name}", dialect, key=keys[name]), key=keys[name]
        )
        for name, dialect in DIALECTS.items()
    }


def written(file: Path, text: str) -> Path:
    """For its owner only: it holds keys."""
    file.touch(mode=0o600)
    file.write_text(text, "utf-8")
    return file


def _print(console: Console, lines: Sequence[str]) -> None:
    for each in lines:
        console.print(each, markup=False, highlight=False, soft_wrap=True)
