"""Draws docs/cadence.svg: where tasks ended, and where the next ones will be polled."""

from collections.abc import Iterable
from itertools import pairwise, takewhile
from pathlib import Path
from random import Random

from benchmarks.durations import EARLY_FAILURES
from bridge.cadence import History, Plan, PollPolicy, learned
from bridge.cadence.ages import EDGES

PLACE = Path(__file__).parent.parent / "docs" / "cadence.svg"
POLICY = PollPolicy(expected_s=120.0)
TASKS = 1_000
UNTIL_S, BIN_S = 320, 4
LEFT, RIGHT, TOP, BOTTOM = 50, 690, 50, 270
MOST = 0.8  # polls per second at the top
TALLEST = 0.12  # share of the tasks in one bin, at the top

HEAD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 320" role="img">
<title>Many polls at 3 s and from 100 s on, where tasks end, and few between</title>"""
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #57606a }
.tasks { fill: #8c959f; fill-opacity: .45 }
path.learned { fill: none; stroke: #0969da; stroke-width: 2.5 }
path.fixed { fill: none; stroke: #bc4c00; stroke-width: 2; stroke-dasharray: 7 5 }
path.axis { stroke: #8c959f }
text.learned { fill: #0969da } text.fixed { fill: #bc4c00 }
@media (prefers-color-scheme: dark) {
text { fill: #9198a1 }
path.learned { stroke: #58a6ff } path.fixed { stroke: #f0883e }
text.learned { fill: #58a6ff } text.fixed { fill: #f0883e }
}
"""


def drawn() -> str:
    dice = Random(1)
    tasks = [EARLY_FAILURES.drawn(dice) for _ in range(TASKS)]
    plan = learned(POLICY, ended(tasks))
    parts = (*bars(tasks), *axes(), *lines(plan), *words(plan))
    return "\n".join((HEAD, f"<style>{STYLE}</style>", *parts, "</svg>\n"))


def ended(tasks: Iterable[float]) -> History:
    history = History()
    for took_s in tasks:
        history.ended(took_s, took_s)
        history.ran(0.0, took_s)
    return history


def across(age_s: float) -> float:
    return LEFT + (RIGHT - LEFT) * age_s / UNTIL_S


def up(share: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * min(share, 1.0)


def bars(tasks: list[float]) -> Iterable[str]:
    for start_s in range(0, UNTIL_S, BIN_S):
        share = sum(start_s <= each < start_s + BIN_S for each in tasks) / len(tasks)
        top, x = up(share / TALLEST), across(start_s)
        width = across(BIN_S) - LEFT - 1
        yield (
            f'<rect class="tasks" x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" '
            f'height="{BOTTOM - top:.1f}"/>'
        )


def axes() -> Iterable[str]:
    yield f'<path class="axis" d="M{LEFT} {BOTTOM}H{RIGHT}"/>'
    for age_s in range(0, UNTIL_S, 60):
        yield text(across(age_s), BOTTOM + 18, f"{age_s} s", "middle")
    for rate in (0.2, 0.4, 0.6, 0.8):
        yield text(LEFT - 8, up(rate / MOST) + 4, f"{rate}", "end")


def lines(plan: Plan) -> Iterable[str]:
    middles = ((before + after) / 2 for before, after in pairwise(EDGES))
    points = (
        f"{across(age_s):.1f} {up(plan.density(age_s) / MOST):.1f}"
        for age_s in takewhile(lambda age_s: age_s < UNTIL_S, middles)
    )
    yield f'<path class="learned" d="M{"L".join(points)}"/>'
    height = up(1 / POLICY.interval_s / MOST)
    yield f'<path class="fixed" d="M{LEFT} {height:.1f}H{RIGHT}"/>'


def words(plan: Plan) -> Iterable[str]:
    yield text(LEFT - 40, TOP - 26, "polls per second of a task that still runs", "start")
    above = up(plan.density(UNTIL_S) / MOST) - 10
    yield text(RIGHT, above, "learned", "end", "learned")
    yield text(RIGHT, up(1 / POLICY.interval_s / MOST) - 8, "every 5 s", "end", "fixed")
    yield text(across(92), BOTTOM - 12, "where tasks ended", "end")
    yield text((LEFT + RIGHT) / 2, BOTTOM + 40, "age of the task", "middle")


def text(x: float, y: float, words_: str, anchor: str, name: str = "axis") -> str:
    return (
        f'<text class="{name}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words_}'
        "</text>"
    )


if __name__ == "__main__":
    PLACE.write_text(drawn(), "utf-8")
