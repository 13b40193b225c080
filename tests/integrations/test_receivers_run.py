"""The receivers of integrations/receivers, each run, with real webhooks and forged ones."""

import asyncio
import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import orjson
import pytest

from bridge.signature import headers, mint

FOLDER = Path(__file__).parents[2] / "integrations" / "receivers"
GO = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
OLD, NEW = mint(), mint()
READY = ("listening", "running on", ") started")


def missing(name: str) -> str | None:
    """Why this receiver cannot run here."""
    kind, _, rest = name.partition("/")
    module = rest.removesuffix("_app.py")
    if kind == "python" and importlib.util.find_spec(module) is None:
        return f"{module} is not installed"
    if kind == "go":
        return None if GO else "go is not installed"
    program = "php" if kind == "php" else "node"
    if kind != "python" and shutil.which(program) is None:
        return f"{program} is not installed"
    package = {"node/express.mjs": "express", "node/hono.mjs": "@hono/node-server"}.get(
        name
    )
    if package:
        found = subprocess.run(
            ["node", "-e", f"require.resolve('{package}')"],
            cwd=FOLDER / "node",
            capture_output=True,
            check=False,
        )
        return f"{package} is not installed" if found.returncode else None
    return None


def command(name: str, port: int, built: Path) -> list[str]:
    path = FOLDER / name
    match name.partition("/")[0]:
        case "python":
            return [sys.executable, str(path)]
        case "node":
            return ["node", str(path)]
        case "php":
            return ["php", "-S", f"127.0.0.1:{port}", str(path)]
    assert GO is not None
    program = built / "receiver"
    subprocess.run([GO, "build", "-o", program, path], check=True, env=os.environ)
    return [str(program)]


@asynccontextmanager
async def running(
    name: str, built: Path
) -> AsyncIterator[tuple[str, asyncio.StreamReader]]:
    """Its URL, and what it writes after it has said that it is there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = await asyncio.create_subprocess_exec(
        *await asyncio.to_thread(command, name, port, built),
        env={**os.environ, "PORT": str(port), "WEBHOOK_SECRETS": f"{NEW} {OLD}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert program.stdout is not None
    try:
        async with asyncio.timeout(60):
            said = b""
            while not any(word in said.decode().lower() for word in READY):
                line = await program.stdout.readline()
                assert line, f"{name} ended: {said.decode()}"
                said += line
        yield f"http://127.0.0.1:{port}/webhook", program.stdout
    finally:
        program.kill()
        await program.wait()


def event(task_id: str) -> bytes:
    return orjson.dumps({"type": "task.succeeded", "data": {"task_id": task_id}})


def signed(
    message_id: str, body: bytes, *, late_s: float = 0, secret: str = NEW
) -> dict[str, str]:
    at = time.time() - late_s
    return headers(message_id=message_id, sent_at=at, body=body, secrets=[secret])


async def post(
    session: aiohttp.ClientSession, url: str, body: bytes, sent: Mapping[str, str]
) -> int:
    async with session.post(
        url, data=body, headers={**sent, "Content-Type": "application/json"}
    ) as response:
        return response.status


def names() -> list[str]:
    wanted = ("*_app.py", "plain.mjs", "express.mjs", "hono.mjs", "main.go", "receiver.php")
    return sorted(
        str(path.relative_to(FOLDER)) for each in wanted for path in FOLDER.rglob(each)
    )


@pytest.mark.parametrize("name", names())
async def test_it_takes_what_is_proven_once_and_nothing_else(
    name: str, tmp_path: Path
) -> None:
    """
    What people copy must not be what lets a stranger in.
    """
    if reason := missing(name):
        pytest.skip(reason)
    made, body = f"msg_{uuid.uuid4().hex}", event("good")
    async with (
        running(name, tmp_path) as (url, said),
        aiohttp.ClientSession() as session,
    ):
        good = signed(made, body)
        forged = [
            (event("forged"), good),
            (body, signed(made, body, secret=mint())),
            (body, signed(made, body, late_s=301)),
            (body, signed(made, body, late_s=-305)),
            (body, {**good, "webhook-id": "msg_other"}),
            (body, {**good, "webhook-signature": "v1,"}),
            (body, {**good, "webhook-signature": "v1,%%% v2 ,"}),
            (body, {**good, "webhook-timestamp": "soon"}),
            (body, {}),
        ]
        for sent, proof in forged:
            assert await post(session, url, sent, proof) == 401
        assert await post(session, url, body, good) == 204
        assert await post(session, url, body, signed(made, body)) == 204
        last = event("last")
        assert await post(session, url, last, signed(f"{made}2", last, secret=OLD)) == 204
        output = ""
        async with asyncio.timeout(20):
            while "task.succeeded last" not in output:
                output += (await said.readline()).decode()
        # A server's own log may be written into the same line.
        assert re.findall(r"task\.succeeded \w{4}", output) == [
            "task.succeeded good",
            "task.succeeded last",
        ]
