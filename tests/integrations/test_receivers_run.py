"""The receivers of integrations/receivers, each run, with real webhooks and forged ones."""

import asyncio
import base64
import hmac
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.delivery.sending import send_signed
from bridge.delivery.webhook import Sender
from bridge.messages import samples
from bridge.model import AttemptOutcome, Destination, Reply
from bridge.portable import encode
from bridge.signature import mint
from tests.integrations.files import NODE
from tests.net.hostile import way_out

FOLDER = Path(__file__).parents[2] / "integrations" / "receivers"
PACKAGES = Path(sys.prefix) / "node"  # scripts/setup fills it
GO = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
PHP = shutil.which("php")
OLD, NEW = mint(), mint()
READY = ("listening", "running on", ") started")
Said = tuple[dict[str, str], bytes]


def missing(name: str) -> str | None:
    """Why this receiver cannot run here. What .ci/run installs is never missing there."""
    match name.partition("/")[0]:
        case "go" if GO is None:
            return "go is not installed"
        case "php" if PHP is None and os.environ.get("CI") != "true":
            return "PHP is not installed: apt-get install php-cli"
        case "node" if NODE is None:
            return "node is not installed"
        case "node" if "plain" not in name and not (PACKAGES / "installed.json").exists():
            return "Express and Hono are not installed: scripts/setup test, where npm is"
    return None


def command(name: str, port: int, made: Path) -> list[str]:
    """How it is run; what has to be made for that is made in the folder `made`."""
    path = FOLDER / name
    match name.partition("/")[0]:
        case "python":
            return [sys.executable, str(path)]
        case "node":
            # A module finds its packages by its own place, and in no other way.
            own = shutil.ignore_patterns("node_modules")
            shutil.copytree(path.parent, made / "node", ignore=own)
            (made / "node" / "node_modules").symlink_to(PACKAGES / "node_modules")
            return ["node", str(made / name)]
        case "php":
            return ["php", "-S", f"127.0.0.1:{port}", str(path)]
    assert GO is not None
    program = made / "receiver"
    subprocess.run([GO, "build", "-o", program, path], check=True, env=os.environ)
    return [str(program)]


@asynccontextmanager
async def running(name: str, made: Path) -> AsyncIterator[tuple[str, asyncio.StreamReader]]:
    """Its URL, and what it writes after it has said that it is there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {
        "PORT": str(port),
        "WEBHOOK_SECRETS": f"{NEW}  {OLD} whsec_",  # as it looks after a hasty change
        "TMPDIR": str(made),
        "PYTHONUTF8": "1",
    }
    program = await asyncio.create_subprocess_exec(
        *await asyncio.to_thread(command, name, port, made),
        env={**os.environ, **own},
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
    """As the bridge writes it, with what a caller may have put into it."""
    body = encode(samples.sample("task.succeeded", now=1_795_176_000.0))
    return body.replace(b"abcd1234efgh", task_id.encode()).replace(
        b"1042", "订单 №7 🎬 “ü”".encode()
    )


@dataclass(frozen=True)
class Between:
    """Sends something else than it was given, as one who listens at the wire could."""

    sender: Sender
    change: Callable[[dict[str, str], bytes], Said]

    async def send(
        self,
        destination: Destination,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> Reply:
        changed, forged = self.change(dict(headers), body or b"")
        return await self.sender.send(destination, method, url, changed, forged)


def header(name: str, value: str | None) -> Callable[[dict[str, str], bytes], Said]:
    def change(headers: dict[str, str], body: bytes) -> Said:
        kept = {key: each for key, each in headers.items() if key != name}
        return kept | ({} if value is None else {name: value}), body

    return change


def by_an_empty_key(headers: dict[str, str], body: bytes) -> Said:
    """Which a slip in the configuration must not make one that counts."""
    signing = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = base64.b64encode(hmac.digest(b"", signing, "sha256")).decode()
    return headers | {"webhook-signature": f"v1,{mac}"}, body


FORGED: dict[str, Callable[[dict[str, str], bytes], Said]] = {
    "another body": lambda headers, body: (headers, body.replace(b"true", b"null")),
    "the same JSON in other bytes": lambda headers, body: (headers, body + b" "),
    "no body": lambda headers, body: (headers, b""),
    "another id": header("webhook-id", "msg_other"),
    "no id": header("webhook-id", None),
    "an empty signature": header("webhook-signature", "v1,"),
    "a broken signature": header("webhook-signature", "v1,%%% v2 ,"),
    "an empty key": by_an_empty_key,
    "no signature": header("webhook-signature", None),
    "no number": header("webhook-timestamp", "soon"),
    "another time": header("webhook-timestamp", str(int(time.time()) + 1)),
    "no time": header("webhook-timestamp", None),
    "nothing proven": lambda headers, body: ({}, body),
}


@dataclass(frozen=True)
class Caller:
    """Sends to one receiver as the dispatcher does."""

    sender: Sender
    url: str

    async def tell(
        self,
        message_id: str,
        body: bytes,
        *,
        late_s: float = 0,
        secrets: Sequence[str] = (NEW,),
        change: Callable[[dict[str, str], bytes], Said] | None = None,
    ) -> Reply:
        return await send_signed(
            Between(self.sender, change) if change else self.sender,
            Destination(url=self.url, host="127.0.0.1"),
            [body],
            format_name="standard",
            method="POST",
            message_id=message_id,
            secrets=secrets,
            at=time.time() - late_s,
        )


def names() -> list[str]:
    wanted = ("*_app.py", "plain.mjs", "express.mjs", "hono.mjs", "main.go", "receiver.php")
    return sorted(
        str(path.relative_to(FOLDER)) for each in wanted for path in FOLDER.rglob(each)
    )


def test_there_is_one_of_each() -> None:
    """
    Otherwise one that was renamed would be run no more, and nobody would see it.
    """
    assert len(names()) == 8


@pytest.mark.parametrize("name", names())
async def test_it_takes_what_is_proven_once_and_nothing_else(
    name: str, tmp_path: Path
) -> None:
    """
    What people copy must not be what lets a stranger in, or turns the genuine away.
    """
    if reason := missing(name):
        pytest.skip(reason)
    made, body = f"msg_{uuid.uuid4().hex}", event("good")
    async with running(name, tmp_path) as (url, said), way_out() as egress:
        caller = Caller(Sender(egress, timeout_s=20, wall=time.time), url)
        refused = {
            what: await caller.tell(made, body, change=change)
            for what, change in FORGED.items()
        }
        refused["another secret"] = await caller.tell(made, body, secrets=[mint()])
        refused["too old"] = await caller.tell(made, body, late_s=301)
        refused["too new"] = await caller.tell(made, body, late_s=-305)
        taken = {what: each for what, each in refused.items() if each.http_status != 401}
        assert taken == {}
        replies = [
            await caller.tell(made, body),
            await caller.tell(made, body),  # the same once more
            await caller.tell(made, body, late_s=290),  # and an old attempt of it
            await caller.tell(f"{made}2", event("视频-🎬"), secrets=[mint(), OLD]),
        ]
        assert [(each.http_status, each.outcome) for each in replies] == [
            (204, AttemptOutcome.ACCEPTED)
        ] * 4
        output = ""
        async with asyncio.timeout(20):
            while "task.succeeded 视频" not in output:
                output += (await said.readline()).decode()
        # A server's own log may be written into the same line.
        assert re.findall(r"task\.succeeded (?:good|视频-🎬)", output) == [
            "task.succeeded good",
            "task.succeeded 视频-🎬",
        ]
