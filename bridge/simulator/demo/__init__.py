"""`poll-bridge demo`: a real bridge between simulated providers and receivers.

plan       the tasks, what must become of each, and the bridge's configuration
evidence   what was seen of it, and the verdict: was every end told, once, and proven?
board      the table people watch, and the summary
child      the bridge as a child process
rehearsal  subscribes the tasks over HTTP and watches until all are told
run        all of it, to an exit code
"""

from bridge.simulator.demo.run import run

__all__ = ["run"]
