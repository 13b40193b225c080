"""Recorded answers, and a short way to ask what one comes to."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridge.model import Answer, Observation
from bridge.providers.answer import observe
from bridge.providers.catalogue import preset
from bridge.providers.page import Page

BASE_URL = "https://gateway.example.com"
NOW = 1_778_690_000.0
TASK_ID = "task_It5QKuOy8LKF0z2GDpiQk1f4m2H7GRqk"

# Which pages have to conclude rightly on which kinds of answer.
PAGES = {
    "amux-callback": ("amux",),
    "amux-docs": ("amux", "newapi"),
    "ark": ("ark",),
    "ark-at-newapi-path": ("newapi", "amux", "xiexus"),
    "mixroute-docs": ("mixroute",),
    "newapi-ark-v3": ("ark", "amux", "newapi"),
    "newapi-errors": ("newapi", "newapi-openai", "amux", "xiexus", "mixroute"),
    "newapi-generic": ("newapi", "newapi-openai", "amux", "xiexus", "mixroute"),
    "newapi-generic-legacy": ("newapi", "amux", "xiexus"),
    "newapi-openai-video": ("newapi-openai",),
    "newapi-realtime": ("newapi", "newapi-openai", "amux", "xiexus"),
    "rong-docs": ("rong",),
    "xiexus-docs": ("xiexus", "newapi", "amux"),
}


@dataclass(frozen=True)
class Sample:
    """One recorded answer, and what it must come to."""

    system: str
    state: str
    path: str
    answer: Answer = field(repr=False)
    expect: Mapping[str, Any]

    @property
    def task_id(self) -> str:
        """The id that was asked for, which is in the path unless it was a callback."""
        if self.system == "amux-callback":
            return TASK_ID
        tail = self.path.removesuffix("/content").rpartition("/")[2]
        return tail.rpartition("id=")[2]


def samples() -> Iterator[Sample]:
    for file in sorted((Path(__file__).parent / "fixtures").glob("*/*.json")):
        written = json.loads(file.read_text("utf-8"))
        response = written["response"]
        body = response.get("body_text")
        yield Sample(
            system=written["system"],
            state=written["state"],
            path=written["request"]["path"],
            answer=Answer(
                http_status=response["status"] or 200,  # 0: it was pushed to us
                headers={k.lower(): v for k, v in response["headers"].items()},
                body=(json.dumps(response["body"]) if body is None else body).encode(),
            ),
            expect=written["expect"],
        )


def seen(
    page: Page | str,
    body: Any,
    *,
    http: int = 200,
    headers: Mapping[str, str] | None = None,
    task_id: str = TASK_ID,
    base_url: str = BASE_URL,
    want_raw: bool = False,
) -> Observation:
    """What an answer comes to; a body that is not bytes is written as JSON."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return observe(
        preset(page) if isinstance(page, str) else page,
        Answer(http_status=http, headers=headers or {}, body=sent),
        base_url=base_url,
        task_id=task_id,
        want_raw=want_raw,
        now=NOW,
    )
