"""What the programs share: their flags, and how they print."""

import argparse
from collections.abc import Iterable, Sequence
from typing import Protocol

from benchmarks.figures import Row, table
from benchmarks.machine import description


class Program(Protocol):
    """A module that measures something."""

    __doc__: str | None

    @staticmethod
    def arguments(parser: argparse.ArgumentParser) -> None:
        """Flags of its own; the defaults are the short form."""

    @staticmethod
    def measured(options: argparse.Namespace) -> Iterable[Row]: ...


def options_of(
    program: Program, given: Sequence[str] | None = None
) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=program.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="of each side, in turn")
    program.arguments(parser)
    return parser.parse_args(given)


def run(*programs: Program, given: Sequence[str] | None = None) -> None:
    """Measure and print one table."""
    rows: list[Row] = []
    print(description(), end="\n\n", flush=True)
    for program in programs:
        rows += program.measured(options_of(program, given))
    print(table(rows))


def seconds(parser: argparse.ArgumentParser, default: float) -> None:
    parser.add_argument(
        "--seconds", type=float, default=default, help="of each side in each round"
    )
