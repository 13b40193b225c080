"""An event on one level: the same keys for every end, null instead of a key left out.

No-code tools map fields by name from one sample.
"""

from collections.abc import Mapping
from typing import Any

from bridge.portable import encode


def flat(event: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of an event on one level.

    What is a list or an object stays whole, as JSON text: the keys of `details` differ by
    provider. Only the caller's own metadata is spread, one key for each of its first level.
    """
    told = event["data"]
    if not event["type"].startswith("task."):
        return _notice(event)
    result = told["result"] or {"files": [], "details": {}}
    error = told["error"] or {}
    first = result["files"][0] if result["files"] else {}
    return {
        "id": event["id"],
        "event_id": event["event_id"],
        "type": event["type"],
        "timestamp": event["timestamp"],
        "version": event["version"],
        "test": event["test"],
        "subscription_id": told["subscription_id"],
        "provider": told["provider"],
        "task_id": told["task_id"],
        "ok": told["ok"],
        "outcome": told["outcome"],
        "status": told["status"],
        "progress": told["progress"],
        "result_url": result.get("url"),
        "provider_url": result.get("provider_url"),
        "url_missing_reason": result.get("url_missing_reason"),
        "content_type": first.get("content_type"),
        "expires_at": first.get("expires_at"),
        "files": level(result["files"]),
        "details": level(result["details"]),
        "error_code": error.get("code"),
        "error_message": error.get("message"),
        "error_hint": error.get("hint"),
        "provider_code": error.get("provider_code"),
        "model": told["model"],
        "submitted_at": told["submitted_at"],
        "ended_at": told["ended_at"],
        "observed_at": told["observed_at"],
        "raw": level(told.get("raw")),
    } | spread(told["metadata"])


def _notice(event: Mapping[str, Any]) -> dict[str, Any]:
    """Of the bridge itself: its data is on one level already."""
    head = {key: value for key, value in event.items() if key != "data"}
    return head | {key: level(value) for key, value in event["data"].items()}


def spread(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {f"metadata_{key}": level(value) for key, value in metadata.items()}


def level(value: Any) -> Any:
    return encode(value).decode() if isinstance(value, list | dict) else value
