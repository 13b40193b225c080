"""Every error this package raises on purpose.

    BridgeError
    ├── ConfigError            the operator can fix it; exit code 2, no traceback
    ├── RequestError           the caller can fix it; becomes problem+json
    ├── StoreUnavailable       the database did not answer; loops wait and try again
    │   └── StoreLocked        another process holds the database file
    ├── SealBroken             sealed data does not open with any encryption key
    ├── VerificationError      a webhook does not prove that it is from us
    └── ClientError            a running bridge was asked in vain; see bridge.client

A provider that fails and a receiver that refuses are not errors: they are `Observation`
and `Outcome` values, because the program's job is to deal with them.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class BridgeError(Exception):
    """Base of all errors raised on purpose."""


class ConfigError(BridgeError):
    """The configuration cannot be used. One line for each fault, with its fix."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class FieldFault:
    """What is wrong with one field of a request, and what to do about it."""

    field: str
    message: str


class RequestError(BridgeError):
    """The request cannot be used.

    `code` is one of `bridge.api.problem.CODES`, which also gives the HTTP status.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldFault] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.code, self.detail, self.errors = code, detail, tuple(errors)
        self.retry_after_s = retry_after_s


class StoreUnavailable(BridgeError):
    """The database did not answer, or could not make the write durable."""


class StoreLocked(StoreUnavailable):
    """Another process holds the database file."""


class SealBroken(BridgeError):
    """Sealed data does not open: wrong encryption key, other place, or tampered with."""


class VerificationError(BridgeError):
    """The webhook is not proven to be from us; the text says which check failed."""


class ClientError(BridgeError):
    """Base of the errors of `bridge.client`, which has the others."""

    hint: str | None = None
    passing = False  # whether the same may go well later

    @property
    def lines(self) -> Sequence[str]:
        return [str(self), *([self.hint] if self.hint else [])]
