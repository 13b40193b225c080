"""What the bodies of several dialects are made of."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from bridge.model import Status
from bridge.simulator.script import World

Body = dict[str, Any]

MODEL = "doubao-seedance-2-0-260128"
USAGE = MappingProxyType({"completion_tokens": 108_900, "total_tokens": 108_900})
STUCK_PROGRESS = 30  # new-api's figure for upstream words its adaptor does not know


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a simulated provider is reached, for the links in its answers."""

    base_url: str = "http://sandbox.invalid"
    files_url: str = "http://sandbox.invalid/files"

    def link(self, name: str | None) -> str | None:
        """A file's URL; what is a URL already stays as it is."""
        if name is None or ":" in name:
            return name
        return f"{self.files_url}/{name}"

    def content_url(self, task_id: str) -> str:
        """The gateway's proxy for a result: opens with the key only."""
        return f"{self.base_url}/v1/videos/{task_id}/content"


def percent(world: World) -> int:
    step = world.step
    if step.status in (Status.SUCCEEDED, Status.FAILED):
        return 100
    if step.status is Status.QUEUED:
        return 10
    return STUCK_PROGRESS if step.progress is None else step.progress


def failed_text(world: World) -> str:
    return world.step.error_text if world.step.status is Status.FAILED else ""


def fields_if(condition: object, **fields: Any) -> Body:
    return fields if condition else {}


def request_id(task_id: str) -> str:
    """A request id in the providers' manner, the same at each poll."""
    return f"02176{sum(task_id.encode()):08d}"
