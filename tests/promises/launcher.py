"""Starts the real command again and again, each time in a process of its own.

Most of a start is importing. Here that is done once, and each process is forked from it: a
kill test restarts hundreds of times. Orders come as lines of JSON on standard input: the
arguments of the command, and where it is to die. Answers go to standard output: the id of
the process, and how it ended. A process that ended keeps its id until the next order, so
that whoever signals it never hits another.
"""

import ctypes
import json
import os
import signal
import sys
from typing import Any

PR_SET_PDEATHSIG = 1


def main() -> None:
    outlive_nobody()
    imported()
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            serve(order)
        say({"pid": pid})
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        say({"ended": True})
        sys.stdin.readline()
        _, status = os.waitpid(pid, 0)
        say({"code": os.waitstatus_to_exitcode(status)})


def imported() -> None:
    """What `serve` imports, some of it late."""
    import uvicorn.protocols.http.httptools_impl
    import uvloop

    import bridge.cli.app
    import bridge.cli.configuration
    import bridge.logs
    import bridge.store.postgres.listening
    import tests.promises.points

    for module in (uvicorn, uvloop, bridge, tests):
        assert module


def serve(order: dict[str, Any]) -> None:
    """Become the command. Never returns."""
    from bridge.cli.app import main as command
    from tests.promises.points import arm

    outlive_nobody()
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    if order["point"] is not None:
        arm(order["point"], order["arrivals"], signal.Signals(order["signal"]))
    sys.argv = ["poll-bridge", *order["args"]]
    try:
        command()
    except SystemExit as leaving:
        sys.stderr.flush()
        os._exit(
            leaving.code if isinstance(leaving.code, int) else leaving.code is not None
        )
    os._exit(0)


def outlive_nobody() -> None:
    """Die with the parent, should it be killed (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
