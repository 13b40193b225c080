"""A provider as configured: its page, where it is, and how it is polled."""

from dataclasses import dataclass, field

from bridge.cadence import PollPolicy
from bridge.model import DIRECT, Way
from bridge.providers.page import Page
from bridge.rate import Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    name: str
    preset: str | None
    page: Page
    base_url: str
    key: str | None = field(repr=False)  # None: callers bring their own
    policy: PollPolicy
    rate: Rate | None  # requests of one credential
    way: Way = DIRECT
