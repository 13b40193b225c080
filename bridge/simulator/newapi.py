"""A simulated task as new-api and its forks answer, quirks included."""

from bridge.model import Status
from bridge.simulator.parts import (
    MODEL,
    USAGE,
    Body,
    Site,
    failed_text,
    fields_if,
    percent,
)
from bridge.simulator.script import World


def envelope(world: World, site: Site, word: str) -> Body:
    """`code` is "success" whatever happened, and `result_url` repeats the failure text.

    A result that opens with the key only is given as the gateway's own proxy URL. Account
    fields are part of the answer.
    """
    step, reason = world.step, failed_text(world)
    link = site.link(step.video) or site.content_url(world.task_id)
    result = link if step.status is Status.SUCCEEDED else reason
    times = _times(world)
    task = {
        "id": 4211,
        "created_at": times["submit_time"],
        "updated_at": int(world.updated_at),
        "task_id": world.task_id,
        "platform": "54",
        "user_id": 17,
        "group": "default",
        "channel_id": 9,
        "quota": 250_000,
        "action": "generate",
        "status": word,
        "fail_reason": reason,
        **fields_if(result, result_url=result),
        **times,
        "progress": f"{percent(world)}%",
        "properties": {
            "input": "",
            "upstream_model_name": MODEL,
            "origin_model_name": MODEL,
        },
        "data": _upstream(world, site),
    }
    return {"code": "success", "message": "", "data": task}


def envelope_legacy(world: World, site: Site, word: str) -> Body:
    """Nine fields, no `result_url`: on success `fail_reason` is the video's URL."""
    task = {
        "task_id": world.task_id,
        "action": "generate",
        "status": word,
        "fail_reason": site.link(world.step.video) or failed_text(world),
        **_times(world),
        "progress": f"{percent(world)}%",
        "data": _upstream(world, site),
    }
    return {"code": "success", "message": "", "data": task}


def realtime(world: World, site: Site, word: str) -> Body:
    """`error` and `metadata` are always null; a failure's text stands in `url`."""
    task = {
        "error": None,
        "format": "mp4",
        "metadata": None,
        "status": word,
        "task_id": world.task_id,
        "url": site.link(world.step.video) or failed_text(world),
    }
    return {"code": "success", "message": "", "data": task}


def openai_video(world: World, site: Site, word: str) -> Body:
    """While pending, `completed_at` is there and `metadata.url` is "".

    A failed task has its error's text in there, a Sora result has no URL.
    """
    step, failed = world.step, world.step.status is Status.FAILED
    sora = step.status is Status.SUCCEEDED and step.video is None
    url = site.link(step.video) or failed_text(world)
    return {
        "id": world.task_id,
        "task_id": world.task_id,
        "object": "video",
        "model": MODEL,
        "status": word,
        "progress": percent(world),
        "created_at": int(world.created_at),
        "completed_at": int(world.updated_at),
        **fields_if(failed, error={"message": step.error_text, "code": step.error_code}),
        **fields_if(not sora, metadata={"url": url}),
        **fields_if(step.status is Status.SUCCEEDED, usage=dict(USAGE)),
    }


def _upstream(world: World, site: Site) -> Body:
    """The raw upstream answer new-api keeps inside its own."""
    step = world.step
    error = {"code": step.error_code, "message": step.error_text}
    return {
        "id": f"cgt-{world.task_id}",
        "status": step.status.value,
        **fields_if(step.video, content={"video_url": site.link(step.video)}),
        **fields_if(step.status is Status.SUCCEEDED, usage=dict(USAGE)),
        **fields_if(step.status is Status.FAILED, error=error),
    }


def _times(world: World) -> dict[str, int]:
    finished = world.step.status in (Status.SUCCEEDED, Status.FAILED)
    return {
        "submit_time": int(world.created_at),
        "start_time": int(world.started_at or 0),
        "finish_time": int(world.updated_at) if finished else 0,
    }
