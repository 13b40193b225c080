"""A stand-in for the bridge, run by the demo's tests: it peeks at the script instead of
polling, and breaks one promise if asked to. ``naive_bridge.py PROMISE --config FILE``.
"""

import asyncio
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from bridge import signature
from bridge.simulator.script import Fault, magic

OTHER_SECRET = "whsec_" + "b3RoZXIt" * 4


class NaiveBridge:
    """Keeps everything in memory and tells each end at once, in three attempts."""

    def __init__(self, config: dict[str, Any], broken: str) -> None:
        self.config, self.broken = config, broken
        [client] = config["clients"].values()
        self.secrets = [OTHER_SECRET] if broken == "proof" else client["signing_secrets"]
        self.wishes: dict[str, dict[str, Any]] = {}
        self.attempts: dict[str, int] = {}

    async def run(self) -> int:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        async with (
            aiohttp.ClientSession() as self.http,
            asyncio.TaskGroup() as self.telling,
        ):
            runner = web.ServerRunner(web.Server(self.serve))
            await runner.setup()
            host, port = self.config["listen"].split(":")
            await web.TCPSite(runner, host, int(port)).start()
            print("listening")
            await stop.wait()
            await runner.cleanup()
        return 3 if self.broken == "exit" else 0

    async def serve(self, request: web.BaseRequest) -> web.Response:
        if request.path == "/subscribe":
            if self.broken == "subscribing":
                return web.json_response({"code": "no"}, status=422)
            subscription_id = f"sub_{len(self.wishes)}"
            self.wishes[subscription_id] = json.loads(await request.read())
            self.telling.create_task(self.tell(subscription_id))
            return web.json_response({"id": subscription_id}, status=202)
        if request.path == "/deliveries":
            if self.broken == "deliveries" and request.transport is not None:
                request.transport.abort()
            if self.attempts.get(request.query["subscription_id"], 0) < 3:
                return web.Response(status=503)
            state = "waiting" if self.broken == "exhaustion" else "exhausted"
            return web.json_response({"items": [{"state": state}]})
        return web.Response()

    async def tell(self, subscription_id: str) -> None:
        wish = self.wishes[subscription_id]
        provider = self.config["providers"][wish["provider"]]
        url = f"{provider['base_url']}/v1/video/generations/{wish['task_id']}"
        headers = {"authorization": f"Bearer {provider['api_key']}"}
        async with self.http.get(url, headers=headers) as response:
            await response.read()
        tellings = {"telling": "", "one id": "ab"}.get(self.broken, "a")
        event = self.event(wish["task_id"], subscription_id)
        for each in tellings:
            await self.deliver(f"msg_{subscription_id[4:]}_{each}", subscription_id, event)

    async def deliver(
        self, message_id: str, subscription_id: str, event: dict[str, Any]
    ) -> None:
        for attempt in (1, 2, 3):
            self.attempts[subscription_id] = attempt
            told = {**event, "attempt": attempt} if self.broken == "body" else event
            body = json.dumps(told).encode()
            headers = signature.headers(
                message_id=message_id, sent_at=time.time(), body=body, secrets=self.secrets
            )
            url = self.wishes[subscription_id]["callback_url"]
            async with self.http.post(url, data=body, headers=headers) as answer:
                if answer.ok:
                    return

    def event(self, task_id: str, subscription_id: str) -> dict[str, Any]:
        task = magic(task_id)
        assert task is not None
        end = task.phases[-1][1]
        outcome = "unreachable" if end.fault is Fault.NOT_FOUND else end.status.value
        observed_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        kind = "task.cancelled" if self.broken == "type" else f"task.{outcome}"
        data = {"subscription_id": subscription_id, "observed_at": observed_at}
        return {"type": kind, "data": data}


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[-1]).read_text())
    sys.exit(asyncio.run(NaiveBridge(given, sys.argv[1]).run()))
