"""A simulated task as the JSON body each provider would send.

Shapes, words and types are the gateways' own, quirks included: see the notes at each. Where
a dialect has no word for cancelled or expired, it says what its gateway really says.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from bridge.model import Status
from bridge.simulator import newapi
from bridge.simulator.parts import (
    MODEL,
    USAGE,
    Body,
    Site,
    failed_text,
    fields_if,
    request_id,
)
from bridge.simulator.script import World
from bridge.simulator.words import Dialect, status_word


def body(dialect: Dialect, world: World, site: Site, *, word: str | None = None) -> Body:
    """What `dialect` says of the task; `word` replaces the status word."""
    return _BODIES[dialect](world, site, word or status_word(dialect, world.step.status))


def _sandbox(world: World, site: Site, word: str) -> Body:
    step = world.step
    return {
        "task_id": world.task_id,
        "status": word,
        "progress": step.progress,
        "model": "sandbox",
        "created_at": int(world.created_at),
        **fields_if(step.status.terminal, finished_at=int(world.updated_at)),
        **fields_if(step.video, url=site.link(step.video)),
        **fields_if(step.last_frame, last_frame_url=site.link(step.last_frame)),
        **fields_if(step.status is Status.SUCCEEDED, format="mp4", **_SIZE),
        **fields_if(
            step.status is Status.FAILED,
            error={"code": step.error_code, "message": step.error_text},
        ),
    }


def _flat_succeeded(world: World, site: Site, word: str) -> Body:
    """`format` from the start; a Sora result has no `url` at all."""
    return {
        "task_id": world.task_id,
        "status": word,
        **fields_if(world.step.video, url=site.link(world.step.video)),
        "format": "mp4",
        **_flat_error(world, 400),
    }


def _flat_completed(world: World, site: Site, word: str) -> Body:
    succeeded = world.step.status is Status.SUCCEEDED
    return {
        "task_id": world.task_id,
        "status": word,
        **fields_if(world.step.video, url=site.link(world.step.video)),
        **fields_if(succeeded, format="mp4", metadata=dict(_SIZE)),
        **_flat_error(world, 50001),
    }


def _flat_error(world: World, code: int) -> Body:
    message = _failure(world)
    return fields_if(message, error={"code": code, "message": message})


def _ark(world: World, site: Site, word: str) -> Body:
    """The only dialect with words for cancelled and expired. A failed task is HTTP 200."""
    step = world.step
    succeeded, failed = step.status is Status.SUCCEEDED, step.status is Status.FAILED
    links = {
        "video_url": site.link(step.video),
        "last_frame_url": site.link(step.last_frame),
    }
    content = {name: link for name, link in links.items() if link}
    message = f"{step.error_text} Request id: {request_id(world.task_id)}"
    return {
        "id": world.task_id,
        "model": MODEL,
        "status": word,
        **fields_if(content, content=content),
        **fields_if(failed, error={"code": step.error_code, "message": message}),
        **fields_if(succeeded, usage=dict(USAGE)),
        "created_at": int(world.created_at),
        "updated_at": int(world.updated_at),
        **fields_if(succeeded, **_ARK_DETAILS),
        "service_tier": "default",
        "execution_expires_after": 172_800,
        "priority": 0,
    }


def _failure(world: World) -> str:
    """Why a flat dialect, which has one word for all bad ends, calls the task failed."""
    return failed_text(world) or _FOLDED.get(world.step.status, "")


_FOLDED = {
    Status.CANCELLED: "The task was cancelled.",
    Status.EXPIRED: "The task expired before it was done.",
}
_SIZE = {"duration": 5.0, "fps": 24, "width": 1280, "height": 720, "seed": 20231234}
_ARK_DETAILS = {
    "seed": 78_674,
    "resolution": "720p",
    "ratio": "16:9",
    "duration": 5,
    "framespersecond": 24,
    "generate_audio": True,
    "draft": False,
}
_BODIES: Mapping[Dialect, Callable[[World, Site, str], Body]] = MappingProxyType(
    {
        Dialect.SANDBOX: _sandbox,
        Dialect.FLAT_SUCCEEDED: _flat_succeeded,
        Dialect.FLAT_COMPLETED: _flat_completed,
        Dialect.ENVELOPE: newapi.envelope,
        Dialect.ENVELOPE_LEGACY: newapi.envelope_legacy,
        Dialect.REALTIME: newapi.realtime,
        Dialect.OPENAI_VIDEO: newapi.openai_video,
        Dialect.ARK: _ark,
    }
)
