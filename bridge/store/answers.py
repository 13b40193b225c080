"""An `Observation` as plain JSON values and back, for answers kept in memory of a task."""

from dataclasses import asdict, fields
from typing import Any

from bridge.model import (
    ErrorCode,
    File,
    Observation,
    PollOutcome,
    Result,
    Status,
    TaskError,
    UrlMissing,
)


def to_plain(seen: Observation) -> dict[str, Any]:
    """Not `asdict` of it all: that would copy the provider's answer, however deep it is."""
    plain = {one.name: getattr(seen, one.name) for one in fields(seen)}
    if seen.result is not None:
        files = [asdict(file) for file in seen.result.files]
        plain["result"] = {"files": files, "details": seen.result.details}
    if seen.error is not None:
        plain["error"] = asdict(seen.error)
    return plain


def from_plain(plain: dict[str, Any]) -> Observation:
    """
    >>> seen = Observation(outcome=PollOutcome.ENDED, result=Result(details={"fps": 24}))
    >>> from_plain(to_plain(seen)) == seen
    True
    """
    result, error, status = plain["result"], plain["error"], plain["status"]
    return Observation(
        **plain
        | {
            "outcome": PollOutcome(plain["outcome"]),
            "status": status and Status(status),
            "result": result and result_of(result),
            "error": error and TaskError(**error | {"code": ErrorCode(error["code"])}),
        }
    )


def result_of(plain: dict[str, Any]) -> Result:
    files = tuple(
        File(**file | {"missing": file["missing"] and UrlMissing(file["missing"])})
        for file in plain["files"]
    )
    return Result(files=files, details=plain["details"])
