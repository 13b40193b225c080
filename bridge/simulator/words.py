"""The dialects, and the status words of each."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from bridge.model import Status


class Dialect(StrEnum):
    SANDBOX = "sandbox"  # flat, with our own six words
    FLAT_SUCCEEDED = "flat_succeeded"  # as mixroute documents it
    FLAT_COMPLETED = "flat_completed"  # as amux and xiexus document it
    ENVELOPE = "envelope"  # new-api since 2026-02-22
    ENVELOPE_LEGACY = "envelope_legacy"  # new-api before that
    REALTIME = "realtime"  # new-api's channels that ask upstream at each poll
    OPENAI_VIDEO = "openai_video"  # new-api's /v1/videos
    ARK = "ark"  # Volcengine Ark, BytePlus ModelArk, rong-api


def status_word(dialect: Dialect, status: Status) -> str:
    """
    >>> status_word(Dialect.ENVELOPE, Status.SUCCEEDED)
    'SUCCESS'
    """
    return _WORDS.get(dialect, {}).get(status, status.value)


_FLAT_WORDS = {
    Status.RUNNING: "in_progress",
    Status.CANCELLED: "failed",
    Status.EXPIRED: "failed",
}
_STORED_WORDS = {
    Status.QUEUED: "QUEUED",
    Status.RUNNING: "IN_PROGRESS",
    Status.SUCCEEDED: "SUCCESS",
    Status.FAILED: "FAILURE",
    # Unknown to the gateway's adaptor: the task hangs until its 24 h sweep.
    Status.CANCELLED: "IN_PROGRESS",
    Status.EXPIRED: "IN_PROGRESS",
}
_WORDS: Mapping[Dialect, Mapping[Status, str]] = MappingProxyType(
    {
        Dialect.FLAT_SUCCEEDED: _FLAT_WORDS,
        Dialect.FLAT_COMPLETED: {**_FLAT_WORDS, Status.SUCCEEDED: "completed"},
        Dialect.ENVELOPE: _STORED_WORDS,
        Dialect.ENVELOPE_LEGACY: _STORED_WORDS,
        Dialect.REALTIME: {
            Status.RUNNING: "processing",
            Status.CANCELLED: "processing",
            Status.EXPIRED: "processing",
        },
        Dialect.OPENAI_VIDEO: {
            Status.RUNNING: "in_progress",
            Status.SUCCEEDED: "completed",
            Status.CANCELLED: "in_progress",
            Status.EXPIRED: "in_progress",
        },
    }
)
