"""What a reload (SIGHUP) may not change, and what it takes away."""

from collections.abc import Iterator

from bridge.config.models import Config
from bridge.config.settings import Settings
from bridge.config.tree import dotted

RELOADED = ("clients", "providers")


def changes(old: Config, new: Config) -> list[str]:
    """Keys that differ and need a restart: all but clients and providers."""
    return [dotted(path) for path in _differing(old, new, ()) if path[0] not in RELOADED]


def removed(old: Config, new: Config) -> list[str]:
    """Clients and providers that are gone or switched off: ``["providers.amux"]``."""
    clients = [f"clients.{name}" for name in old.clients if name not in new.clients]
    running = {name for name, provider in new.providers.items() if provider.enabled}
    providers = [
        f"providers.{name}"
        for name, provider in old.providers.items()
        if provider.enabled and name not in running
    ]
    return clients + providers


def _differing(
    old: Settings, new: Settings, above: tuple[str, ...]
) -> Iterator[tuple[str, ...]]:
    for name, field in type(old).model_fields.items():
        path = (*above, field.alias or name)
        before, after = getattr(old, name), getattr(new, name)
        if isinstance(before, Settings):
            yield from _differing(before, after, path)
        elif before != after:
            yield path
