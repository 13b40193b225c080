"""A stand-in for the bridge, run by the demo's tests: it peeks at the script instead of
polling, and breaks one promise if asked to. ``naive_bridge.py PROMISE --config FILE``.
"""

import asyncio
import json
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from bridge import signature
from bridge.simulator.script import Fault, magic

BROKEN = sys.argv[1]
CONFIG = json.loads(Path(sys.argv[-1]).read_text())
[CLIENT] = CONFIG["clients"].values()
SECRETS = ["whsec_" + "b3RoZXIt" * 4] if BROKEN == "proof" else CLIENT["signing_secrets"]
SUBSCRIPTIONS: dict[str, dict[str, Any]] = {}
ATTEMPTS: Counter[str] = Counter()


def event_of(wish: dict[str, Any], subscription_id: str) -> dict[str, Any]:
    task = magic(wish["task_id"])
    assert task is not None
    end = task.phases[-1][1]
    outcome = "unreachable" if end.fault is Fault.NOT_FOUND else end.status.value
    observed_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    data = {"subscription_id": subscription_id, "observed_at": observed_at}
    return {"type": f"task.{outcome}", "data": data}


async def tell(http: aiohttp.ClientSession, subscription_id: str) -> None:
    wish = SUBSCRIPTIONS[subscription_id]
    provider = CONFIG["providers"][wish["provider"]]
    url = f"{provider['base_url']}/v1/video/generations/{wish['task_id']}"
    headers = {"authorization": f"Bearer {provider['api_key']}"}
    async with http.get(url, headers=headers) as response:
        await response.read()
    event = event_of(wish, subscription_id)
    if BROKEN == "type":
        event["type"] = "task.cancelled"
    ids = ["a", "b"] if BROKEN == "one id" else ["a"]
    for each in ids if BROKEN != "telling" else []:
        for _ in range(3):
            ATTEMPTS[subscription_id] += 1
            if BROKEN == "body":
                event["attempt"] = ATTEMPTS[subscription_id]
            body = json.dumps(event).encode()
            message_id = f"msg_{subscription_id[4:]}_{each}"
            signed = signature.headers(
                message_id=message_id, sent_at=time.time(), body=body, secrets=SECRETS
            )
            async with http.post(wish["callback_url"], data=body, headers=signed) as answer:
                if answer.ok:
                    break


async def main() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as telling:

        async def serve(request: web.BaseRequest) -> web.Response:
            if request.path == "/subscribe":
                if BROKEN == "subscribing":
                    return web.json_response({"code": "no"}, status=422)
                subscription_id = f"sub_{len(SUBSCRIPTIONS)}"
                SUBSCRIPTIONS[subscription_id] = json.loads(await request.read())
                telling.create_task(tell(http, subscription_id))
                return web.json_response({"id": subscription_id}, status=202)
            if request.path == "/deliveries":
                if ATTEMPTS[request.query["subscription_id"]] < 3:
                    return web.Response(status=503)
                state = "waiting" if BROKEN == "exhaustion" else "exhausted"
                return web.json_response({"items": [{"state": state}]})
            return web.Response()

        runner = web.ServerRunner(web.Server(serve))
        await runner.setup()
        host, port = CONFIG["listen"].split(":")
        await web.TCPSite(runner, host, int(port)).start()
        print("listening")
        await stop.wait()
        await runner.cleanup()
    sys.exit(3 if BROKEN == "exit" else 0)


if __name__ == "__main__":
    asyncio.run(main())
