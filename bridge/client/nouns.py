"""What a bridge answers. What a newer one adds to it is in `raw`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Subscription:
    """A task that is watched, as `docs/api.md` describes it."""

    raw: Mapping[str, Any] = field(repr=False)
    id: str = field(init=False)
    provider: str = field(init=False)
    task_id: str = field(init=False)
    state: str = field(init=False)  # active, ended or stopped
    status: str | None = field(init=False)  # what the provider said
    outcome: str | None = field(init=False)  # how it ended; None before

    def __post_init__(self) -> None:
        for name in ("id", "provider", "task_id", "state", "status", "outcome"):
            object.__setattr__(self, name, self.raw.get(name))

    @property
    def ok(self) -> bool:
        return self.outcome == "succeeded"

    @property
    def active(self) -> bool:
        return self.state == "active"

    @property
    def result(self) -> Mapping[str, Any] | None:
        return self.raw.get("result")

    @property
    def url(self) -> str | None:
        """Where the result opens without a key."""
        return (self.result or {}).get("url")

    @property
    def error(self) -> Mapping[str, Any] | None:
        """`code`, `message`, `provider_code` and `hint`, if it ended otherwise."""
        return self.raw.get("error")

    @property
    def progress(self) -> int | None:
        return self.raw.get("progress")

    @property
    def metadata(self) -> Mapping[str, Any]:
        return self.raw.get("metadata") or {}


@dataclass(frozen=True, slots=True)
class Event:
    """What a webhook says, and a message of the stream."""

    raw: Mapping[str, Any] = field(repr=False)
    id: str = field(init=False)
    event_id: str = field(init=False)
    type: str = field(init=False)
    test: bool = field(init=False)
    data: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        for name, default in (("id", ""), ("event_id", ""), ("type", ""), ("test", False)):
            object.__setattr__(self, name, self.raw.get(name, default))
        object.__setattr__(self, "data", self.raw.get("data") or {})
