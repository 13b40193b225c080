"""Which question a path of a simulated provider puts. Pure."""

from collections.abc import Container
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qs, unquote

from bridge.simulator.words import Dialect


class Wanted(StrEnum):
    STATUS = "status"
    CONTENT = "content"  # the bytes of the result
    DOWNLOAD = "download"  # the same as base64 in JSON, which is mixroute's way


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    prefix: str  # of the mount that is asked
    dialect: Dialect | None  # the path's; None: the mount's own
    task_id: str
    wanted: Wanted = Wanted.STATUS


GENERATIONS, VIDEOS = "/v1/video/generations/", "/v1/videos/"

PATHS: tuple[tuple[str, Dialect | None], ...] = (
    ("/sandbox/tasks/", Dialect.SANDBOX),
    (GENERATIONS, None),
    (VIDEOS, Dialect.OPENAI_VIDEO),
    ("/llm/v1/contents/generations/tasks/", Dialect.ARK),
    ("/api/v3/contents/generations/tasks/", Dialect.ARK),
)


def question(raw_path: str, prefixes: Container[str]) -> Question | None:
    """The question at a path as sent; None if it is none. An id is one encoded segment.

    >>> question("/amux/v1/videos/a%2Fb/content", {"/amux"}).task_id
    'a/b'
    """
    path, _, query = raw_path.partition("?")
    for route, dialect in PATHS:
        prefix, found, rest = path.rpartition(route)
        if not found or prefix not in prefixes:
            continue
        segment, _, tail = rest.partition("/")
        wanted, task_id = Wanted.STATUS, unquote(segment)
        if route == VIDEOS and tail == "content":
            wanted, tail = Wanted.CONTENT, ""
        elif route == GENERATIONS and rest == "download":
            wanted, task_id = Wanted.DOWNLOAD, parse_qs(query).get("id", [""])[0]
        if task_id and not tail:
            return Question(prefix=prefix, dialect=dialect, task_id=task_id, wanted=wanted)
    return None
