"""Unquoted values keep their text until it is known what type is wanted.

YAML would make 1:30 ninety, 0123456789012345 an octal number and `no` a boolean before
anybody could object. Here an unquoted value is a `Plain` string: a setting reads it by
its own rule, as it reads an environment variable, and only where no type is laid down
(a provider's `page`) it is taken by the rules of YAML 1.2.
"""

import re
from typing import Any


class Plain(str):
    """Text that was written without quotes."""

    __slots__ = ()


_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE, _FALSE = re.compile(r"true|True|TRUE"), re.compile(r"false|False|FALSE")
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})", re.ASCII)
_DECIMAL = re.compile(
    r"(?=.*[.eE])[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,2})?", re.ASCII
)


def null(text: str) -> bool:
    return bool(_NULL.fullmatch(text))


def typed(value: Any) -> Any:
    """The value with each `Plain` in it read by YAML's core schema.

    >>> typed([Plain("1"), "1", Plain("1.5"), Plain("true"), Plain("no"), Plain("007")])
    [1, '1', 1.5, True, 'no', '007']
    """
    if isinstance(value, dict):
        return {key: typed(each) for key, each in value.items()}
    if isinstance(value, list):
        return [typed(each) for each in value]
    return _read(str(value)) if isinstance(value, Plain) else value


def _read(text: str) -> Any:
    if _TRUE.fullmatch(text):
        return True
    if _FALSE.fullmatch(text):
        return False
    if _WHOLE.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return float(text)
    return text
