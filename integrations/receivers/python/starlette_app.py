"""A receiver with Starlette: WEBHOOK_SECRETS=whsec_… PORT=8000 python starlette_app.py"""

import json
import os
from typing import Any

import uvicorn
from proof import is_new, proven
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def receive(request: Request) -> Response:
    body = await request.body()
    if not proven(request.headers, body):
        return Response(status_code=401)
    if not is_new(request.headers["webhook-id"]):
        return Response(status_code=204)
    return Response(status_code=204, background=BackgroundTask(work, json.loads(body)))


def work(event: dict[str, Any]) -> None:
    """Runs after the answer."""
    print(f"{event['type']} {event['data']['task_id']}", flush=True)


app = Starlette(routes=[Route("/webhook", receive, methods=["POST"])])

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]))
