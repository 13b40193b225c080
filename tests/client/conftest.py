"""The client against the real API, with a poller in the hands of the test."""

from tests.api.conftest import api, clock, deps, names

__all__ = ["api", "clock", "deps", "names"]
