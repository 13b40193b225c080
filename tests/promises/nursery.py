"""A node whose processes are forked from one that has imported everything already."""

import asyncio
import json
import os
import signal
import sys
from typing import Any

from tests.cli.commands import environment
from tests.promises.node import END_S, Node


class Nursery(Node):
    """Like `Node`, and each process may be told where to die. `log` is of all of them."""

    parent: asyncio.subprocess.Process | None = None
    pid: int | None = None

    async def __aenter__(self) -> "Nursery":
        await super().__aenter__()
        self.parent = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.promises.launcher"),
            env=environment(**self.env),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert self.parent.stderr is not None
        self._tasks.create_task(self._listen(self.parent.stderr))
        return self

    async def __aexit__(self, *raised: Any) -> None:
        assert self.parent is not None
        self.parent.kill()  # what it has forked dies with it
        await self.parent.wait()
        self.pid = None
        await super().__aexit__(*raised)

    async def launch(
        self,
        point: str | None = None,
        arrivals: int = 1,
        how: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.url, self._over = "", False
        args = ["serve", "--config", str(self.config)]
        self._order(
            {"args": args, "point": point, "arrivals": arrivals, "signal": int(how)}
        )
        self.pid = (await self._answer())["pid"]
        self._exit = self._tasks.create_task(self._answer())

    def send(self, how: signal.Signals) -> None:
        assert self.pid is not None
        os.kill(self.pid, how)  # its id stays its own until `ended` has asked for the code

    async def ended(self, within_s: float = END_S) -> int:
        async with asyncio.timeout(within_s):
            await asyncio.shield(self._exit)
            self.pid = None
            self._order({})
            code: int = (await self._answer())["code"]
        self._over = True
        return code

    async def dead(self, within_s: float) -> bool:
        """Whether it ends by itself in that time."""
        done, _ = await asyncio.wait({self._exit}, timeout=within_s)
        return bool(done)

    async def kill(self) -> None:
        if self.pid is not None:
            self.send(signal.SIGKILL)
            await self.ended()

    def _order(self, order: dict[str, Any]) -> None:
        assert self.parent is not None
        assert self.parent.stdin is not None
        self.parent.stdin.write(json.dumps(order).encode() + b"\n")

    async def _answer(self) -> dict[str, Any]:
        assert self.parent is not None
        assert self.parent.stdout is not None
        answer: dict[str, Any] = json.loads(await self.parent.stdout.readline())
        return answer
