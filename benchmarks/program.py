"""What the programs share: their flags, and how they print."""

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from benchmarks.figures import Row, table
from benchmarks.machine import description


@dataclass(frozen=True, slots=True)
class Program:
    """One thing to measure. Its flags default to the short form."""

    text: str | None
    arguments: Callable[[argparse.ArgumentParser], None]
    measured: Callable[[argparse.Namespace], Iterable[Row]]

    def rows(self, given: Sequence[str] | None = None) -> Iterable[Row]:
        """`given` None: the flags of the command line."""
        parser = argparse.ArgumentParser(
            description=self.text, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        parser.add_argument("--rounds", type=int, default=3, help="of each side, in turn")
        self.arguments(parser)
        return self.measured(parser.parse_args(given))


def run(*programs: Program, given: Sequence[str] | None = None) -> None:
    """Measure and print one table."""
    print(description(), end="\n\n", flush=True)
    print(table([row for program in programs for row in program.rows(given)]))


def seconds(parser: argparse.ArgumentParser, default: float) -> None:
    parser.add_argument(
        "--seconds", type=float, default=default, help="of each side in each round"
    )
