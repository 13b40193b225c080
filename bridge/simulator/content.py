"""The bytes of results: tiny but real files, and the calls that hand them out."""

import base64

from bridge.model import Answer, Status
from bridge.simulator import refusals
from bridge.simulator.answers import answer
from bridge.simulator.parts import Body, Site
from bridge.simulator.routes import Wanted
from bridge.simulator.script import Fault, World
from bridge.simulator.words import Dialect, status_word

VIDEO = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2\x00\x00\x00\x08mdat"
IMAGE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwC"
    "AAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
)


def file(path: str) -> Answer:
    """The file of that name: what it holds goes by its ending."""
    return (
        _bytes(IMAGE, "image/png") if path.endswith(".png") else _bytes(VIDEO, "video/mp4")
    )


def content(world: World, site: Site, wanted: Wanted) -> Answer:
    """The result's bytes once there are any, else the gateway's error."""
    step = world.step
    if step.fault is Fault.NOT_FOUND:
        return refusals.no_content(world.task_id, None)
    if step.fault is not None:
        return answer(Dialect.OPENAI_VIDEO, world, site)
    if step.status is not Status.SUCCEEDED:
        word = status_word(Dialect.ENVELOPE, step.status)
        return refusals.no_content(world.task_id, word)
    return _bytes(VIDEO, "video/mp4") if wanted is Wanted.CONTENT else _download(world)


def _bytes(body: bytes, kind: str) -> Answer:
    return Answer(http_status=200, headers={"content-type": kind}, body=body)


def _download(world: World) -> Answer:
    text = base64.b64encode(VIDEO).decode()
    body: Body = {
        "success": True,
        "generation_id": world.task_id,
        "task_id": world.task_id,
        "format": "mp4",
        "size": len(VIDEO),
        "base64": text,
        "data_url": f"data:video/mp4;base64,{text}",
    }
    return refusals.said(Dialect.FLAT_SUCCEEDED, 200, body, task_id=world.task_id)
