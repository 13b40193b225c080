"""The benchmarks run. What they find is for people to read, and never fails a test."""

from dataclasses import replace
from xml.etree import ElementTree as Xml

import pytest

from benchmarks import (
    cadence,
    cpu,
    deliveries,
    fairness,
    latency,
    memory,
    picture,
    polls,
    requests,
    scale,
    subscribes,
)
from benchmarks.figures import table
from benchmarks.program import Program
from benchmarks.schedules import guided

BRIEFLY = ["--rounds", "1", "--seconds", "0.2"]
TINY = {
    polls: ["--watches", "128"],
    subscribes: ["--connections", "2"],
    deliveries: ["--backlog", "300"],
    latency: ["--rates", "10"],
    fairness: ["--rate", "10", "--hosts", "5", "--backlog", "20"],
    memory: ["--watches", "256", "512"],
    cpu: ["--watches", "1000"],
    requests: ["--nodes", "2", "--tasks", "4", "--takes", "0.5"],
    # Nodes are processes of their own, and begin later on a machine that is busy.
    scale: [
        "--nodes",
        "1",
        "2",
        "--few",
        "300",
        "--watches",
        "900",
        "--backlog",
        "300",
        "--seconds",
        "1.5",
    ],
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


def test_the_simulation_of_cadence_finds_figures(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every sort of tasks, under every rule, and under a limit."""
    few = [replace(case, past=case.past // 20) for case in cadence.FROM_COLD[0]]
    monkeypatch.setattr(cadence, "FROM_COLD", (tuple(few),))
    monkeypatch.setattr(cadence, "CASES", (*few[-1:], replace(few[-1], ruled=guided)))
    cadence.printed(["--tasks", "20", "--pasts", "1", "--hours", "0.05"])
    assert capsys.readouterr().out.count("\n| ") == 7 + 3 + 6


def test_the_picture_is_one() -> None:
    """What is drawn is what a browser can read, and has a line for each rule."""
    lines = Xml.fromstring(picture.drawn()).iterfind("{*}path[@class]")  # noqa: S314 (ours)
    assert [line.get("class") for line in lines] == ["axis", "learned", "fixed"]
