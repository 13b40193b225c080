"""The schema of the standard event of one type, or of any of several.

`task` is any event of a task, `task.ended` any of the six ends, `notice` any notice.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from bridge.messages import events, notices
from bridge.schemas.event import NoticeEvent, TaskEvent
from bridge.schemas.plain import Schema, plain

SUCCEEDED = "task.succeeded"
TASK, NOTICE = "task", "notice"
GROUPS: Mapping[str, Sequence[str]] = {
    TASK: events.TYPES,
    events.TASK_ENDED: events.ENDS,
    NOTICE: notices.TYPES,
}
NAMES = (*GROUPS, *events.TYPES, *notices.TYPES)

MEANING: Mapping[str, str] = {
    TASK: "Any event of a task: one of its ends, or an update.",
    events.TASK_ENDED: "Any of the six ends: what is sent if you choose no `events`.",
    NOTICE: "Any notice of the bridge to its operator.",
    SUCCEEDED: "The provider says that the task has succeeded.",
    "task.failed": "The provider says that the task has failed.",
    "task.cancelled": "The provider says that the task was cancelled.",
    "task.expired": "The provider says that the task has expired.",
    "task.timed_out": "The deadline passed, and no end was to be seen. The task may still "
    "succeed.",
    "task.unreachable": "The bridge cannot follow the task: not found, key refused, "
    "forbidden, or no sense in the answers. It may still succeed.",
    events.TASK_UPDATED: "Status or progress has changed; the task has not ended.",
    notices.KEY_REFUSED: "A configured key is refused, and that is confirmed.",
    notices.KEY_ACCEPTED: "A configured key that was refused works again.",
    notices.DOWN: "A provider does not answer; it is only probed.",
    notices.RECOVERED: "A provider that was down answers again.",
    notices.UNKNOWN_STATUS: "A provider has said a status word that no page knows.",
    notices.EXHAUSTED: "Webhooks of a client were given up.",
    notices.GONE: "Receivers of a client answered 410.",
    notices.LATE: "Due polls or deliveries wait for five minutes or more.",
}


def standard(name: str) -> Schema:
    """Of the event of a type, or of a group. Raises KeyError for another name."""
    meaning, types = MEANING[name], GROUPS.get(name, (name,))
    schema = plain(NoticeEvent if types[0] in notices.TYPES else TaskEvent)
    told = schema["properties"]
    told["type"] = _one_of(told["type"], types)
    if types[0] in events.TYPES:
        _narrow(told["data"]["properties"], types)
    return {"description": meaning} | {
        k: v for k, v in schema.items() if k != "description"
    }


def _narrow(data: Schema, types: Sequence[str]) -> None:
    """Leave of each key what can come in events of these types."""
    ends = [each for each in types if each in events.ENDS]
    goes_on = len(ends) < len(types)
    ok = {each == SUCCEEDED for each in ends}
    data["ok"] = _some(data["ok"], some=bool(ends), none=goes_on)
    if not goes_on and len(ok) == 1:
        data["ok"]["const"] = ok.copy().pop()
    data["outcome"] = _some(data["outcome"], some=bool(ends), none=goes_on)
    if ends:
        words: list[Any] = [each.removeprefix("task.") for each in ends]
        data["outcome"] = _one_of(data["outcome"], words + [None] * goes_on)
    data["ended_at"] = _some(data["ended_at"], some=bool(ends), none=goes_on)
    data["result"] = _some(data["result"], some=True in ok, none=goes_on or False in ok)
    data["error"] = _some(data["error"], some=False in ok, none=goes_on or True in ok)


def _one_of(schema: Schema, values: Collection[Any]) -> Schema:
    kept = {key: value for key, value in schema.items() if key != "enum"}
    listed = [*values]
    return kept | ({"const": listed[0]} if len(listed) == 1 else {"enum": listed})


def _some(schema: Schema, *, some: bool, none: bool) -> Schema:
    """Of what may be null: as it is, never null, or always."""
    if some and none:
        return schema
    if none:
        return {"description": schema["description"], "type": "null"}
    made = {**schema, "type": schema["type"][0]}
    if "enum" in made:
        made["enum"] = [each for each in made["enum"] if each is not None]
    return made
