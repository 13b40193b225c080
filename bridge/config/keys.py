"""The list of all keys there are: for faults, for the documentation, for the log line."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from bridge.config.models import Config
from bridge.config.presets import built_in
from bridge.config.settings import Settings
from bridge.config.tree import Path, dotted

NAME = "<name>"  # stands for whatever a client or provider is called


@dataclass(frozen=True, slots=True)
class Key:
    """One setting that has a value of its own, not a group."""

    path: tuple[str, ...]
    name: str  # of the field: the key, with its unit
    field: FieldInfo


def keys(group: type[Settings] = Config, above: tuple[str, ...] = ()) -> Iterator[Key]:
    """In the order of the models."""
    for name, field in group.model_fields.items():
        path = (*above, field.alias or name)
        inner, named = _group(field.annotation)
        if inner is None:
            yield Key(path, name, field)
        else:
            yield from keys(inner, (*path, NAME) if named else path)


def below(path: Path) -> list[str]:
    """The keys that may stand directly in a group."""
    found = [key.path[len(path)] for key in keys() if _covers(key.path, path)]
    return [each for each in dict.fromkeys(found) if each != NAME]


def meant(path: Path) -> str:
    """What somebody who wrote this unknown key probably had in mind; may be empty.

    >>> meant(("callback",))
    'did you mean callbacks?'
    >>> meant(("timeout",))
    'did you mean callbacks.timeout or providers.<name>.poll.timeout?'
    """
    group, wrong = path[:-1], str(path[-1])
    close = difflib.get_close_matches(wrong.lower(), below(group), n=1)
    guesses = [dotted((*group, each)) for each in close]
    if not guesses:
        same = sorted((k.path for k in keys() if k.path[-1] == wrong), key=len)
        guesses = [dotted(path) for path in same[:2]]
    if not group and wrong in built_in():
        guesses = [dotted(("providers", wrong))]
    return f"did you mean {' or '.join(guesses)}?" if guesses else ""


def _group(annotation: Any) -> tuple[type[Settings] | None, bool]:
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return annotation, False
    if get_origin(annotation) is Mapping:
        inner = get_args(annotation)[1]
        if isinstance(inner, type) and issubclass(inner, Settings):
            return inner, True
    return None, False


def _covers(key: tuple[str, ...], path: Path) -> bool:
    return len(key) > len(path) and all(
        k in (NAME, p) for k, p in zip(key, path, strict=False)
    )
