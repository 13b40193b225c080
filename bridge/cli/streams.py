"""The streams a process is born with, of which whoever starts it may have closed some."""

import os
import sys

NAMES = ("stdin", "stdout", "stderr")  # by their numbers


def ready() -> None:
    """What is closed is nowhere then: nothing to read, and what is written is not kept."""
    occupy()
    for number, (name, mode) in enumerate(zip(NAMES, "rww", strict=True)):
        if getattr(sys, name) is None:
            nowhere = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - to the end
            setattr(sys, name, nowhere)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def occupy() -> None:
    """The number of a closed stream would go to what is opened next, a database perhaps,
    and what is printed into it.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) < len(NAMES):
        os.set_inheritable(number, True)
    os.close(number)
