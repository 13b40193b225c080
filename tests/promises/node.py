"""The real command in a process of its own, ended and started as a test likes."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import aiohttp

from bridge.signature import mint
from tests.cli.commands import environment

START_S = 20.0
END_S = 60.0
CALL_S = 75.0

KEYS = {"shop": "shop-api-key-4c1d9e", "blog": "blog-api-key-77a0b2"}
OPERATOR = "operator-api-key-d41f80"
SECRETS = {name: mint() for name in (*KEYS, "operator")}


def settings(url: str, **changes: Any) -> dict[str, Any]:
    """Two clients, an operator, and one quick provider at `url`."""
    provider = {
        "preset": "amux",
        "base_url": url,
        "api_key": "sk-amux",
        "rate_limit": "1000/s",
        "poll": {"first": "100ms", "min": "50ms", "interval": "250ms", "max": "1s"},
        "page": {"not_found_grace": "500ms"},
    }
    clients = {
        name: {
            "api_keys": [key],
            "signing_secrets": [SECRETS[name]],
            "providers": ["amux"],
            "limits": {"requests": "10000/s"},
        }
        for name, key in KEYS.items()
    }
    operator = {
        "api_keys": [OPERATOR],
        "signing_secrets": [SECRETS["operator"]],
        "role": "operator",
        "limits": {"requests": "10000/s"},
    }
    return {
        "listen": "127.0.0.1:0",
        "encryption_keys": ["3f1b9c0d5e7a2846b1c3d5e7f9a0b2c4"],
        "clients": {**clients, "operator": operator},
        "providers": {"amux": provider},
        "callbacks": {
            "allow_hosts": ["127.0.0.1"],
            "retries": ["1s"] * 60,
            "host_slots": 128,
        },
        "log": {"format": "json", "level": "info"},
    } | changes


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Node:
    """One database and its configuration, and the process that serves them, if any.

    `async with` it: no process outlives that.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any], **env: str) -> None:
        self.database, self.config = folder / "bridge.db", folder / "config.yaml"
        self.env, self.url, self.log = env, "", list[str]()
        self.up_at = 0.0
        self.process: asyncio.subprocess.Process | None = None
        self.folder = folder
        database = {"database": f"sqlite:///{self.database}"}
        self.config.write_text(json.dumps({**database, **config}))
        self._tasks, self._news = asyncio.TaskGroup(), asyncio.Event()

    async def __aenter__(self) -> Self:
        self.http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(CALL_S),
        )
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, *raised: Any) -> None:
        try:
            await self.kill()
            await self._tasks.__aexit__(*raised)
        finally:
            await self.http.close()

    async def start(self) -> Self:
        """Return once it answers that it is ready."""
        await self.launch()
        await self.until(lambda: bool(self.url) or self._over, START_S)
        assert self.url, self.log
        return self

    async def launch(self) -> None:
        """Return at once; what it says is read as it comes."""
        self.url, self.log = "", []
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bridge", "serve", "--config", str(self.config)),
            env=environment(**self.env),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        self._over = False
        assert self.process.stderr is not None
        self._tasks.create_task(self._listen(self.process.stderr))

    def send(self, how: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(how)

    async def ended(self, within_s: float = END_S) -> int:
        """Its exit code, with all it said in `log`. Raises TimeoutError."""
        assert self.process is not None
        async with asyncio.timeout(within_s):
            code = await self.process.wait()
        await self.until(lambda: self._over, within_s)
        self.process = None
        return code

    async def stop(self) -> int:
        self.send(signal.SIGTERM)
        return await self.ended()

    async def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            await self.ended()

    async def until(self, done: Callable[[], bool], within_s: float = END_S) -> None:
        """Return once `done`, asked after each line it says. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while not done():
                self._news.clear()
                await self._news.wait()

    async def told(self, event: str) -> None:
        """Return once it has logged `event`."""
        await self.until(lambda: self.events(event) != [])

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = (json.loads(line) for line in self.log if line.startswith("{"))
        return [line for line in lines if line["event"] == name]

    async def call(
        self, method: str, path: str, *, key: str = KEYS["shop"], **options: Any
    ) -> Answer:
        headers = {"Authorization": f"Bearer {key}", **options.pop("headers", {})}
        async with self.http.request(
            method, self.url + path, headers=headers, **options
        ) as response:
            return Answer(response.status, dict(response.headers), await response.text())

    async def subscribe(
        self, task_id: str, callback_url: str, *, key: str = KEYS["shop"], **fields: Any
    ) -> Answer:
        given = {"provider": "amux", "task_id": task_id, "callback_url": callback_url}
        return await self.call("POST", "/subscribe", key=key, json=given | fields)

    async def promised(self, task_id: str, callback_url: str, **fields: Any) -> str:
        """The id of a subscription that was answered with 202."""
        answer = await self.subscribe(task_id, callback_url, **fields)
        assert answer.status == 202, answer
        found: str = answer.json["id"]
        return found

    async def subscription(self, key: str, wait_s: int = 0) -> Any:
        answer = await self.call("GET", f"/subscriptions/{key}?wait={wait_s}")
        assert answer.status == 200, answer
        return answer.json

    async def attempts(self, subscription_id: str) -> list[Any]:
        """The attempts at the one delivery of this subscription."""
        listed = await self.call("GET", f"/deliveries?subscription_id={subscription_id}")
        [delivery] = listed.json["items"]
        found: list[Any] = (await self.call("GET", f"/deliveries/{delivery['id']}")).json[
            "attempts"
        ]
        return found

    async def _listen(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            self.log.append(line.decode().rstrip("\n"))
            if '"service.listening"' in self.log[-1]:
                self.url, self.up_at = json.loads(self.log[-1])["address"], time.monotonic()
            self._news.set()
        self._over = True
        self._news.set()
