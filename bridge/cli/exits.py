"""How a command ends: its exit code, and what it says of a failure."""

from collections.abc import Sequence
from enum import IntEnum

from bridge.errors import (
    BridgeError,
    ClientError,
    ConfigError,
    SealBroken,
    StoreLocked,
    StoreUnavailable,
)


class Exit(IntEnum):
    """`docs/cli.md` says of each what a script can make of it."""

    OK = 0
    FAILED = 1
    USAGE = 2  # also what the command-line parser exits with
    UNAVAILABLE = 3
    INTERRUPTED = 130  # 128 + SIGINT, as shells have it


MEANINGS = {
    Exit.OK: "Done, and the answer is yes.",
    Exit.FAILED: "Done, and the answer is no: refused, not proven, not found, unhealthy. "
    "Asking again gives the same answer.",
    Exit.USAGE: "Not begun: an option, an input or the configuration needs to be changed.",
    Exit.UNAVAILABLE: "Something it needs is not there: the bridge, the database, the key "
    "that opens it, room for what it writes. It may work later.",
    Exit.INTERRUPTED: "Interrupted by Ctrl-C. "
    "`serve`, `listen` and `tail` end with 0 then.",
}


class CommandFailed(BridgeError):
    """A command cannot do what it was asked. One line for each thing there is to say."""

    def __init__(self, *lines: str, code: Exit = Exit.FAILED) -> None:
        super().__init__("\n".join(lines))
        self.lines, self.code = lines, code


class UsageFault(CommandFailed):
    """What was given on the command line cannot be used."""

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines, code=Exit.USAGE)


def exit_code(error: BridgeError) -> Exit:
    """
    >>> exit_code(ConfigError("listen: missing")), exit_code(SealBroken("credential"))
    (<Exit.USAGE: 2>, <Exit.UNAVAILABLE: 3>)
    """
    if isinstance(error, CommandFailed):
        return error.code
    if isinstance(error, ClientError):
        return Exit.UNAVAILABLE if error.passing else Exit.FAILED
    if isinstance(error, ConfigError):
        return Exit.USAGE
    if isinstance(error, StoreUnavailable | SealBroken):
        return Exit.UNAVAILABLE
    return Exit.FAILED


def lines(error: BridgeError) -> Sequence[str]:
    """What there is to say, each with what it is about."""
    if isinstance(error, StoreLocked):
        return (f"database: {error}; that has to be stopped, or done, first",)
    if isinstance(error, StoreUnavailable):
        return (f"database: {error}",)
    if isinstance(error, SealBroken):
        return (f"encryption_keys do not open the database: {error}",)
    if isinstance(error, ClientError):
        return error.lines
    return str(error).splitlines()


def raised_on_purpose(error: BaseException) -> list[BridgeError]:
    """The errors of ours that `error` is or consists of; none if it is a bug."""
    if isinstance(error, BridgeError):
        return [error]
    if not isinstance(error, BaseExceptionGroup):
        return []
    found = [raised_on_purpose(each) for each in error.exceptions]
    return [each for part in found for each in part] if all(found) else []
