"""What it is measured on: without it, no figure means anything. Linux's /proc is read."""

import os
import platform
import sqlite3
import tempfile
import time
from pathlib import Path
from statistics import median

SYNCS = 50
PAGE = 4_096
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def description() -> str:
    """One line for the head of a table."""
    load, *_ = os.getloadavg()
    return (
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        f"{os.cpu_count()} cores, load {load:.1f}, "
        f"{sync_s() * 1_000:.2f} ms for one page to reach the disk"
    )


def sync_s() -> float:
    """Seconds for one page to be written and synced: what a commit cannot go below."""
    with tempfile.TemporaryFile(dir=os.environ.get("BENCH_DIR")) as file:
        taken: list[float] = []
        for _ in range(SYNCS):
            os.write(file.fileno(), bytes(PAGE))
            began_at = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - began_at)
    return median(taken)


def resident_mib(pid: int) -> float:
    """What a process holds in memory now."""
    _, resident, *_ = Path(f"/proc/{pid}/statm").read_text("ascii").split()
    return int(resident) * os.sysconf("SC_PAGE_SIZE") / 2**20


def cpu_s(pid: int) -> float:
    """What a process has used of the processors so far, to a hundredth of a second."""
    # The name, which comes second, is in parentheses and may hold spaces.
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S
