"""Expressions that find a value in a provider's answer.

A plain dotted path (`data.status`) is walked directly, at a tenth of the cost; everything
else is JMESPath. Values are sought in the object that describes the task; a `$.` in front
means the whole answer: `$.message`.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions

_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)

# What JMESPath raises when a function meets a value it was not written for.
_MISFITS = (
    JMESPathError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RecursionError,
)


@dataclass(frozen=True, slots=True)
class Lookup:
    """A compiled expression.

    `find(task, answer)` is the value, or None if there is none; it never raises.

    >>> lookup("data.status").find({"data": {"status": "SUCCESS"}}, None)
    'SUCCESS'
    >>> lookup("$.message").find({}, {"message": "no"}), lookup("a.b").find({"a": [1]}, {})
    ('no', None)
    """

    text: str
    find: Callable[[Any, Any], Any] = field(repr=False, compare=False)

    def __str__(self) -> str:
        return self.text


def lookup(text: str) -> Lookup:
    """Raises ValueError, in words an operator understands, if it is no expression.

    >>> lookup("data.[")
    Traceback (most recent call last):
        ...
    ValueError: 'data.[' is not a JMESPath expression: incomplete expression
    """
    if text == "$":
        return Lookup(text, _whole)
    relative = text.removeprefix("$.")
    found = _dotted(relative) if _DOTTED.fullmatch(relative) else _jmespath(text, relative)
    return Lookup(text, found if relative == text else _from_the_top(found))


def first(places: tuple[Lookup, ...], task: Any, answer: Any) -> Any:
    """The value at the first place that has one."""
    for place in places:
        found = place.find(task, answer)
        if found is not None:
            return found
    return None


def first_word(places: tuple[Lookup, ...], task: Any, answer: Any) -> str | None:
    """The first text, number or truth value, as text; empty ones do not count.

    Some providers give codes as numbers, some as text, some now one and now the other.

    >>> first_word((lookup("a"), lookup("b"), lookup("c")), {"a": " ", "b": [], "c": 7}, {})
    '7'
    """
    for place in places:
        found = word(place.find(task, answer))
        if found is not None:
            return found
    return None


def word(value: Any) -> str | None:
    """A scalar as text: 50001 and 50001.0 are "50001", true is "true"."""
    if type(value) is str:
        return value.strip() or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, int | float) and abs(value) < 2**63:
        return str(value)
    return None


def _whole(_task: Any, answer: Any) -> Any:
    return answer


def _from_the_top(find: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def find_in_answer(_task: Any, answer: Any) -> Any:
        return find(answer, answer)

    return find_in_answer


def _dotted(text: str) -> Callable[[Any, Any], Any]:
    first_key, *keys = text.split(".")

    def find_key(task: Any, _answer: Any) -> Any:
        return task.get(first_key) if type(task) is dict else None

    def find_path(task: Any, _answer: Any) -> Any:
        found = task.get(first_key) if type(task) is dict else None
        for key in keys:
            if type(found) is not dict:
                return None
            found = found.get(key)
        return found

    return find_path if keys else find_key


def _jmespath(text: str, relative: str) -> Callable[[Any, Any], Any]:
    try:
        compiled = jmespath.compile(relative)
    except JMESPathError as error:
        reason = _reason(str(error))
        raise ValueError(f"{text!r} is not a JMESPath expression: {reason}") from None
    for name in _functions(dict(compiled.parsed)):
        if name not in Functions.FUNCTION_TABLE:
            raise ValueError(f"{text!r} calls {name}(), which JMESPath does not have")

    def find(task: Any, _answer: Any) -> Any:
        try:
            return compiled.search(task)
        except _MISFITS:
            return None

    return find


def _reason(report: str) -> str:
    """What is wrong, without the expression and the caret the library adds below it."""
    reason = report.splitlines()[0]
    for prefix in ("Invalid jmespath", "Invalid JMESPath", "Bad jmespath"):
        reason = reason.removeprefix(f"{prefix} expression: ")
    return reason.partition(": Parse error")[0].rstrip(":.").lower()


def _functions(node: dict[str, Any]) -> Iterator[str]:
    if node["type"] == "function_expression":
        yield node["value"]
    for child in node.get("children", ()):
        if isinstance(child, dict):
            yield from _functions(child)
