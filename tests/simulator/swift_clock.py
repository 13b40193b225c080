"""A clock for tests in which nobody may wait."""

import asyncio


class SwiftClock:
    """Time moves only when somebody waits, and then at once."""

    def __init__(self) -> None:
        self.at = 1_800_000_000.0
        self.waits: list[float] = []

    def now(self) -> float:
        return self.at

    def wall(self) -> float:
        return self.at

    async def wait(self, event: asyncio.Event, timeout_s: float) -> None:
        self.waits.append(timeout_s)
        self.at += 0 if event.is_set() else timeout_s
