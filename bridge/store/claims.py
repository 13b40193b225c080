"""What a claim returns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from bridge.lanes import Lane

T = TypeVar("T")

# From all lanes with scheduled work: those to claim from now, and how many rows of each.
Choose = Callable[[Sequence[Lane]], Sequence[tuple[Lane, int]]]


@dataclass(frozen=True, slots=True)
class Claims(Generic[T]):
    items: Sequence[T]
    lanes: Sequence[Lane]  # those that still have work scheduled, now or later
