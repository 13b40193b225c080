"""The benchmarks run. What they find is for people to read, and never fails a test."""

import pytest

from benchmarks import cpu, deliveries, latency, memory, polls, scale, subscribes
from benchmarks.figures import table
from benchmarks.program import Program

BRIEFLY = ["--rounds", "1", "--seconds", "0.2"]
TINY = {
    polls: ["--watches", "128"],
    subscribes: ["--connections", "2"],
    deliveries: ["--backlog", "300"],
    latency: ["--rates", "10"],
    memory: ["--watches", "256", "512"],
    cpu: ["--watches", "1000"],
    scale: ["--nodes", "1", "2", "--few", "300", "--watches", "900", "--backlog", "300"],
}


@pytest.mark.parametrize(
    ("program", "flags"),
    [pytest.param(one.PROGRAM, flags, id=one.__name__) for one, flags in TINY.items()],
)
def test_a_benchmark_finds_figures(program: Program, flags: list[str]) -> None:
    """
    A benchmark that nobody can run any more would be found when it is needed.
    """
    rows = list(program.rows([*BRIEFLY, *flags]))
    assert all(figure for row in rows for figure in (*row.ours, *row.beside)), rows
    assert rows[0].ours[0] > 0
    assert table(rows).count("\n") == len(rows) + 1
