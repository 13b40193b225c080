"""A receiver with Flask: WEBHOOK_SECRETS=whsec_… PORT=8000 python flask_app.py"""

import json
import os
from typing import Any

from flask import Flask, request
from proof import is_new, proven

app = Flask(__name__)


@app.post("/webhook")
def receive() -> tuple[str, int]:
    body = request.get_data()
    if not proven(request.headers, body):
        return "", 401
    if is_new(request.headers["webhook-id"]):
        work(json.loads(body))
    return "", 204


def work(event: dict[str, Any]) -> None:
    """Hand what takes long to a queue: the bridge waits for the answer."""
    print(f"{event['type']} {event['data']['task_id']}", flush=True)


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(os.environ["PORT"]))
