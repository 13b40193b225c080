"""Turns a provider that must be polled into one that calls back."""

__version__ = "0.1.0"
