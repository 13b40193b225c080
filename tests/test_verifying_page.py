"""What docs/verifying.md tells people to paste must work as it stands there."""

import base64
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bridge import signature

PAGE = Path(__file__).parent.parent / "docs" / "verifying.md"
NODE = shutil.which("node")
BODY = json.dumps(
    {"id": "msg_k3J9_0", "type": "task.succeeded", "data": {"task_id": "视频-🎬"}},
    ensure_ascii=False,
).encode()
OLD, NEW, OTHER = (signature.mint() for _ in range(3))

Receive = Callable[[bytes, Mapping[str, str]], int]


def snippets(language: str) -> list[str]:
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", PAGE.read_text("utf-8"))


def signed(*secrets: str, age_s: float = 0, body: bytes = BODY) -> dict[str, str]:
    return signature.headers(
        message_id="msg_k3J9_0", sent_at=time.time() - age_s, body=body, secrets=secrets
    )


def receiver(number: int, monkeypatch: pytest.MonkeyPatch) -> Receive:
    monkeypatch.setenv("WEBHOOK_SECRETS", f"{NEW} {OLD}")
    monkeypatch.setenv("WEBHOOK_SECRET", NEW)
    names: dict[str, Any] = {}
    exec(compile(snippets("python")[number], str(PAGE), "exec"), names)  # noqa: S102
    receive: Receive = names["receive"]
    return receive


@pytest.mark.parametrize("number", [0, 1])
def test_the_python_receivers_tell_the_genuine_from_the_forged(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    People paste this into production without reading it twice.
    """
    receive = receiver(number, monkeypatch)
    assert receive(BODY, signed(NEW)) == 204
    assert "task.succeeded 视频-🎬" in capsys.readouterr().out
    assert receive(BODY, signed(OLD, NEW)) == 204
    assert receive(BODY, signed(OTHER)) == 401
    assert receive(BODY, signed(NEW, age_s=301)) == 401
    assert receive(BODY, {}) == 401
    assert receive(BODY, {**signed(NEW), "webhook-signature": "nonsense"}) == 401
    assert receive(BODY.replace(b"succeeded", b"cancelled"), signed(NEW)) == 401


def test_the_python_receiver_knows_a_repeat(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    An event comes again when an answer was lost; the work must be done once.
    """
    receive = receiver(0, monkeypatch)
    assert [receive(BODY, signed(OLD)) for _ in range(2)] == [204, 204]
    assert capsys.readouterr().out.count("task.succeeded") == 1


def test_there_are_two_python_snippets_and_one_for_node() -> None:
    """
    A snippet that is added is to be run here as well.
    """
    assert (len(snippets("python")), len(snippets("js"))) == (2, 1)


@pytest.mark.skipif(NODE is None, reason="node is not on PATH")
def test_the_node_receiver_tells_the_genuine_from_the_forged(tmp_path: Path) -> None:
    """
    The same cases, in the language of most receivers.
    """
    good = signed(NEW)
    cases: dict[str, tuple[bytes, dict[str, Any], list[str]]] = {
        "good": (BODY, good, [NEW]),
        "two secrets, old held": (BODY, signed(NEW, OLD), [OLD]),
        "two secrets held": (BODY, signed(OLD), [NEW, OLD]),
        "malformed before good": (
            BODY,
            good | {"webhook-signature": f"v1 v1,é v1a,x,y {good['webhook-signature']}"},
            [NEW],
        ),
        "bad: other secret": (BODY, signed(OTHER), [NEW, OLD]),
        "bad: changed": (BODY + b" ", good, [NEW]),
        "bad: old": (BODY, signed(NEW, age_s=301), [NEW]),
        "bad: early": (BODY, signed(NEW, age_s=-302), [NEW]),
        "bad: no headers": (BODY, {}, [NEW]),
        "bad: list": (BODY, good | {"webhook-id": ["msg_k3J9_0"]}, [NEW]),
        "bad: empty": (BODY, good | {"webhook-signature": ""}, [NEW]),
        "bad: fraction": (
            BODY,
            good | {"webhook-timestamp": good["webhook-timestamp"] + ".0"},
            [NEW],
        ),
        "bad: no secrets": (BODY, good, []),
    }
    (tmp_path / "verify.mjs").write_text(snippets("js")[0], "utf-8")
    (tmp_path / "run.mjs").write_text(
        'import { readFileSync } from "node:fs";\n'
        'import { verify } from "./verify.mjs";\n'
        'const cases = JSON.parse(readFileSync(0, "utf8"));\n'
        "const said = cases.map(([body, headers, secrets]) =>\n"
        '  verify(Buffer.from(body, "base64"), headers, secrets));\n'
        "process.stdout.write(JSON.stringify(said));\n",
        "utf-8",
    )
    given = [
        (base64.b64encode(body).decode(), headers, secrets)
        for body, headers, secrets in cases.values()
    ]
    ran = subprocess.run(
        [str(NODE), str(tmp_path / "run.mjs")],
        input=json.dumps(given).encode(),
        capture_output=True,
        check=True,
        timeout=30,
    )
    said = dict(zip(cases, json.loads(ran.stdout), strict=True))
    event = json.loads(BODY)
    assert said == {name: None if name.startswith("bad") else event for name in cases}
