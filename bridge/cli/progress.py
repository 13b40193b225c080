"""How far something is that takes longer than a moment: for who sits before a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[float, float], None]  # so much is done, of so much


def unseen(_done: float, _all: float) -> None:
    """Nobody looks on."""


@contextmanager
def working(what: str, *, json: bool) -> Iterator[Advance]:
    """Says on standard error what is being done, until it is done; then it is wiped away.

    Nothing is shown to programs: where either stream is not a terminal, or with --json.
    Until `Advance` is first called nobody knows how far it is.
    """
    if json or not (sys.stdout.isatty() and sys.stderr.isatty()):
        yield unseen
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        SpinnerColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None)

        def advance(done: float, all_: float) -> None:
            progress.update(task, completed=done, total=all_)

        yield advance
