"""The pages that come with the package, and what an operator makes of them."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from bridge.errors import ConfigError
from bridge.providers.fields import normal
from bridge.providers.page import Incoherent, Page

Path = tuple[str | int, ...]

# In C where PyYAML has it: pages are read at each start of each command.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PRESETS = files("bridge.providers") / "presets"


class PageError(ConfigError):
    """The page cannot be used. `faults_at` has each fault with the keys that lead to it."""

    def __init__(self, *faults_at: tuple[Path, str]) -> None:
        super().__init__(*(f"{_dotted(path)}: {what}" for path, what in faults_at))
        self.faults_at = faults_at


def preset_names() -> list[str]:
    """
    >>> preset_names()
    ['amux', 'ark', 'mixroute', 'newapi', 'newapi-openai', 'rong', 'sandbox', 'xiexus']
    """
    found = (each.name for each in _PRESETS.iterdir())
    return sorted(name.removesuffix(".yaml") for name in found if name.endswith(".yaml"))


def preset(name: str) -> Page:
    """Raises PageError if there is none of that name."""
    return page_of(name, {})


def page_of(name: str | None, overrides: Mapping[str, Any]) -> Page:
    """The preset with an operator's changes, or a page that is all the operator's own.

    `overrides` holds keys of a page. Objects merge key by key; anything else replaces what
    the preset says; null takes an entry out. Status words are added to the preset's, and a
    word listed under another status than before moves there. Raises PageError.
    """
    below = _tree(name) if name is not None else {}
    return _validated(_merged(below, overrides))


def schema() -> dict[str, Any]:
    """The JSON Schema of a page."""
    return Page.model_json_schema()


@cache
def _tree(name: str) -> Mapping[str, Any]:
    """A preset's YAML, laid over the preset it extends."""
    if name not in preset_names():
        near = get_close_matches(name, preset_names(), n=1)
        names = ", ".join(preset_names())
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {names}"
        raise PageError((("preset",), f"there is no preset {name!r}; {hint}"))
    text = (_PRESETS / f"{name}.yaml").read_text("utf-8")
    tree: dict[str, Any] = yaml.load(text, _LOADER)  # noqa: S506 - both are safe ones
    extends = tree.pop("extends", None)
    return _merged(_tree(extends), tree) if extends else tree


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**below, **above}
    for key, value in above.items():
        under = below.get(key)
        if isinstance(value, Mapping) and isinstance(under, Mapping):
            merged[key] = _words(under, value) if key == "words" else _merged(under, value)
    return merged


def _words(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Operators add the one word that is missing, without repeating the rest."""
    given = {key: _listed(words) for key, words in above.items()}
    moved = {normal(str(word)) for words in given.values() for word in words}
    kept = {
        key: [word for word in _listed(words) if normal(str(word)) not in moved]
        for key, words in below.items()
    }
    return kept | {key: kept.get(key, []) + words for key, words in given.items()}


def _listed(words: Any) -> list[Any]:
    if words is None:
        return []
    return list(words) if isinstance(words, list | tuple) else [words]


def _validated(tree: Mapping[str, Any]) -> Page:
    try:
        return Page.model_validate(tree)
    except ValidationError as error:
        raise PageError(*_faults(error)) from None


def _faults(error: ValidationError) -> Iterator[tuple[Path, str]]:
    for fault in error.errors(include_url=False, include_input=False):
        path = tuple(fault["loc"])
        cause = fault.get("ctx", {}).get("error")
        if isinstance(cause, Incoherent):
            yield from ((tuple(key.split(".")), what) for key, what in cause.faults)
        elif fault["type"] == "extra_forbidden":
            known = _keys_beside(path)
            near = get_close_matches(str(path[-1]), known, n=1)
            hint = (
                f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
            )
            yield path, f"unknown key; {hint}"
        elif fault["type"] == "missing":
            yield path, "is missing"
        else:
            yield path, fault["msg"].removeprefix("Value error, ")


def _keys_beside(path: Path) -> list[str]:
    """The keys that are allowed where an unknown one was found."""
    model: type[BaseModel] = Page
    for key in path[:-1]:
        field = model.model_fields.get(str(key))
        if field is not None:
            model = next(_sections(field.annotation), model)
    return list(model.model_fields)


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _sections(inner)


def _dotted(path: Path) -> str:
    return ".".join(str(key) for key in path) or "page"
