"""Turns what pydantic found wrong into faults that say what to do."""

from collections.abc import Iterator

from pydantic import ValidationError

from bridge.config.environment import PREFIX, SHORT
from bridge.config.keys import meant
from bridge.config.tree import NOT_A_GROUP, Path, variable

MISSING = {
    "encryption_keys": "give at least 32 random characters (`openssl rand -hex 32`)",
    "clients": "name one (for a single one BRIDGE_API_KEY and BRIDGE_SIGNING_SECRET do)",
    "api_keys": "give at least 16 random characters (`openssl rand -hex 16`)",
    "signing_secrets": "`poll-bridge secret new` makes one",
}

_WORDS = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dict_type": NOT_A_GROUP,
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "mapping_type": NOT_A_GROUP,
    "model_type": NOT_A_GROUP,
    "string_type": "must be text; put it in quotes",
    "tuple_type": "must be a list",
}


def explained(error: ValidationError) -> Iterator[tuple[Path, str]]:
    """The key and what is wrong with it, for each."""
    details = error.errors(include_url=False, include_input=False, include_context=False)
    for detail in details:
        path = tuple(each for each in detail["loc"] if each != "[key]")
        yield path, _what(detail["type"], detail["msg"], path)


def _what(kind: str, message: str, path: Path) -> str:
    if kind == "extra_forbidden":
        return _unknown(path)
    if kind in ("missing", "too_short"):
        return f"missing; {MISSING[str(path[-1])]}, here or in {_variable(path)}"
    return _WORDS.get(kind) or _spoken(message)


def _variable(path: Path) -> str:
    short = [f"{PREFIX}{name}" for name, keys in SHORT.items() if keys == path]
    return short[0] if short else variable(path)


def _unknown(path: Path) -> str:
    if path == ("port",):
        return 'no such key; set listen to "host:port", or the environment variable PORT'
    return "; ".join(part for part in ("no such key", meant(path)) if part)


def _spoken(message: str) -> str:
    """
    >>> _spoken("Input should be greater than or equal to 1"), _spoken("Value error, no")
    ('must be at least 1', 'no')
    """
    for theirs, ours in (
        ("Value error, ", ""),
        ("Input should be", "must be"),
        ("greater than or equal to", "at least"),
        ("less than or equal to", "at most"),
    ):
        message = message.replace(theirs, ours)
    return message
