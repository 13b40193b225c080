"""What people see of a rehearsal: a table that moves, or plain lines where none can."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bridge.simulator.demo.evidence import Evidence, Verdict
from bridge.simulator.demo.plan import RETRIES, PlannedTask

STYLES: Mapping[str, str] = MappingProxyType(
    {"told": "green", "exhausted": "yellow", "refused": "red", "retrying": "yellow"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One task as it stands."""

    task: PlannedTask
    polls: int
    attempts: int
    state: str  # subscribing, refused, waiting, polling, retrying, told, exhausted


def rows(plan: Sequence[PlannedTask], seen: Evidence) -> list[Row]:
    return [
        Row(
            task=task,
            polls=seen.polls.get(task, 0),
            attempts=sum(map(len, seen.of(task))),
            state=state(task, seen),
        )
        for task in plan
    ]


def state(task: PlannedTask, seen: Evidence) -> str:
    """Where the task is on its way from the request to an accepted webhook."""
    if task in seen.refusals:
        return "refused"
    if task not in seen.subscriptions:
        return "subscribing"
    if seen.told(task):
        return "exhausted" if task.dead else "told"
    if seen.of(task):
        return "retrying"
    return "polling" if seen.polls.get(task) else "waiting"


def table(shown: Sequence[Row]) -> Table:
    board = Table("provider", "task", "receiver", "must end", "state", box=None)
    for heading in ("polls", "attempts"):
        board.add_column(heading, justify="right")
    for row in shown:
        board.add_row(
            row.task.provider,
            row.task.task_id,
            row.task.told,
            row.task.outcome.value,
            Text(row.state, style=STYLES.get(row.state, "")),
            str(row.polls),
            str(row.attempts),
        )
    return board


def line(row: Row) -> str:
    told = f"{row.state}, {row.polls} polls, {row.attempts} attempts"
    return f"{row.task.name} -> {row.task.told}: {told}"


def moved(before: Sequence[Row], after: Sequence[Row]) -> list[Row]:
    """The rows whose state is new; their figures alone are not worth a line."""
    known = {row.task: row.state for row in before}
    return [row for row in after if known.get(row.task) != row.state]


def summary(verdict: Verdict) -> list[str]:
    """The figures, then each fault on a line."""
    figures = [
        f"ends told      {verdict.told} of {verdict.tasks}",
        f"polls          {verdict.polls}",
        f"attempts       {verdict.attempts}, of them {verdict.duplicates} accepted again",
        f"seen to told   {_seconds(verdict.seen_to_received_s)} (p95, willing receivers)",
        f"ended to told  {_seconds(verdict.ended_to_received_s)} (p95, with the polling)",
    ]
    faults = [f"FAULT {fault}" for fault in verdict.faults]
    conclusion = "passed" if verdict.passed else f"failed: {len(faults)} faults"
    return [*figures, *faults, conclusion]


def introduction(plan: Sequence[PlannedTask], bridge_url: str) -> str:
    providers = len({task.provider for task in plan})
    return (
        f"A bridge at {bridge_url}, {len(plan)} tasks at {providers} simulated providers. "
        f"Some receivers refuse at first; the dead one is tried {len(RETRIES) + 1} times."
    )


def _seconds(span_s: float | None) -> str:
    return "not known" if span_s is None else f"{span_s:.3f} s"


class Board:
    """Shows rows on a console: a live table on a terminal, else a line for each change."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = (
            Live(console=console, auto_refresh=False) if console.is_terminal else None
        )
        self._shown: Sequence[Row] = ()

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, shown: Sequence[Row]) -> None:
        if self._live is not None:
            self._live.update(table(shown), refresh=True)
        else:
            for row in moved(self._shown, shown):
                self._console.print(
                    line(row), markup=False, highlight=False, soft_wrap=True
                )
        self._shown = shown
