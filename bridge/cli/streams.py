"""The streams a process is born with, of which whoever starts it may have closed some, and
what becomes of the output.
"""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge.cli.exits import CommandFailed, Exit

NAMES = ("stdin", "stdout", "stderr")  # by their numbers


def ready() -> None:
    """What is closed is nowhere then: nothing to read, and what is written is not kept."""
    occupy()
    for number, (name, mode) in enumerate(zip(NAMES, "rww", strict=True)):
        if getattr(sys, name) is None:
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - to the end
            setattr(sys, name, stream)
    sys.stderr.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.stdout = Output(
        open(sys.stdout.fileno(), "wb", closefd=False),  # noqa: SIM115 - to the end
        encoding=sys.stdout.encoding,
        errors="backslashreplace",
        line_buffering=True,
    )


def occupy() -> None:
    """The number of a closed stream would go to what is opened next, a database perhaps,
    and what is printed into it.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) < len(NAMES):
        os.set_inheritable(number, True)
    os.close(number)


class OutputLost(CommandFailed):
    """Standard output takes no more, and somebody may have wanted it."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the output could not be written: {reason}", code=Exit.UNAVAILABLE
        )


class Output(io.TextIOWrapper):
    """Standard output. Raises OutputLost for what it does not take, so that this is not
    held for a failure of something else; BrokenPipeError if nobody reads it any more.
    """

    def write(self, text: str, /) -> int:
        with self._told():
            return super().write(text)

    def flush(self) -> None:
        with self._told():
            super().flush()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            nowhere(self.fileno())
            raise OutputLost(error.strerror or "unknown") from error


def nowhere(number: int) -> None:
    """What is written to that stream from now on goes nowhere, quietly: also what is still
    on its way when the process ends, which would end it with a code of Python's own.
    """
    with Path(os.devnull).open("wb") as null:
        os.dup2(null.fileno(), number)
