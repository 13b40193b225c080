"""What must hold between settings that may be fine each by itself.

Works on what was given rather than on a valid `Config`, so that one fault does not hide
another. Anything of the wrong shape is passed over here; that is a fault of its own.
"""

import difflib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from bridge.config.fields import listed
from bridge.config.tree import Path, dotted

Disagreement = tuple[Path, str]  # the key, and what is wrong with it


def disagreements(
    given: Mapping[str, Any], presets: Collection[str]
) -> Iterator[Disagreement]:
    """`presets` are the pages that are built in."""
    clients, providers = _groups(given.get("clients")), _groups(given.get("providers"))
    yield from _repeated(clients, {*_texts(given.get("encryption_keys")).values()})
    yield from _ungrantable(clients, {*providers, *presets})
    yield from _pageless(providers, presets)


def _repeated(
    clients: Mapping[str, Mapping[str, Any]], encryption_keys: Collection[str]
) -> Iterator[Disagreement]:
    seen: dict[str, Path] = {}
    for name, client in clients.items():
        for index, key in _texts(client.get("api_keys")).items():
            path = ("clients", name, "api_keys", index)
            if key in encryption_keys:
                yield path, "also an encryption key, which no caller may know; draw another"
            if key in seen:
                yield path, f"the same as {dotted(seen[key])}; draw another"
            seen.setdefault(key, path)


def _ungrantable(
    clients: Mapping[str, Mapping[str, Any]], known: Collection[str]
) -> Iterator[Disagreement]:
    """A grant may name a preset that has no key yet."""
    for name, client in clients.items():
        for index, provider in _texts(client.get("providers")).items():
            if provider not in known:
                path = ("clients", name, "providers", index)
                yield path, f"no provider has this name{_near(provider, known)}"


def _pageless(
    providers: Mapping[str, Mapping[str, Any]], presets: Collection[str]
) -> Iterator[Disagreement]:
    for name, provider in providers.items():
        preset = provider.get("preset")
        if isinstance(preset, str) and preset:
            if preset not in presets:
                path = ("providers", name, "preset")
                yield path, f"there is no such preset{_near(preset, presets)}"
        elif not provider.get("page") and name not in presets:
            advice = _near(name, presets) or "; name its `preset`, or give it a `page`"
            yield ("providers", name), f"no preset has this name{advice}"


def _groups(given: object) -> dict[str, Mapping[str, Any]]:
    """The entries that are mappings. One that is null has everything left to defaults."""
    entries = given.items() if isinstance(given, Mapping) else ()
    groups = ((name, {} if each is None else each) for name, each in entries)
    return {name: each for name, each in groups if isinstance(each, Mapping)}


def _texts(given: object) -> dict[int, str]:
    """The items of a list by their index, without those that are empty or were faulty."""
    try:
        parts = listed(given)
    except ValueError:
        return {}
    items = parts if isinstance(parts, list) else ()
    return {index: str(part) for index, part in enumerate(items) if part}


def _near(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
