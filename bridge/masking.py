"""What of a text or an error may be logged: no password and no query of a URL, and of an
exception where it was raised, not what it says. Pure.
"""

import re
import traceback
from collections.abc import Mapping
from typing import Any

STEPS = 12  # of a traceback, the innermost
MASK = "***"

_WORD = re.compile(r"[^\s\"'<>]+")
_OF_A_PATH = re.compile("[/.:]")


def masked(text: str) -> str:
    """`text` without the user and password, and the query, of every URL in it.

    >>> masked("GET https://user:p/@ss@host.test/hook?sig=abc&x=1 was refused")
    'GET https://***@host.test/hook?*** was refused'
    >>> masked("/subscriptions?task_id=abc: what? a=b")
    '/subscriptions?*** what? a=b'
    """
    if "?" not in text and "@" not in text:
        return text
    return _WORD.sub(lambda word: _without_somebody(_without_query(word[0])), text)


def _without_query(word: str) -> str:
    last, begins = word.rfind("="), 0
    while begins <= (at := word.find("?", begins)) < last:
        if _OF_A_PATH.search(word, begins, at):
            return f"{word[:at]}?{MASK}"
        begins = at + 1
    return word


def _without_somebody(word: str) -> str:
    """To the last @: passwords hold what they like."""
    begins, ends = word.find("://"), word.rfind("@")
    return f"{word[:begins]}://{MASK}{word[ends:]}" if 0 <= begins < ends else word


def masked_within(value: Any) -> Any:
    """The same of every text in it."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {name: masked_within(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [masked_within(each) for each in value]
    return value


def whereabouts(error: BaseException) -> dict[str, Any]:
    """Of which kind it is and where it was raised; its text and the values at hand can hold
    secrets. Of several, the first; of one that led to another, the last, and the kinds.
    """
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    steps = traceback.extract_tb(error.__traceback__)
    kinds, cause = [type(error).__name__], error.__cause__ or error.__context__
    while cause is not None and len(kinds) < STEPS:
        kinds.append(type(cause).__name__)
        cause = cause.__cause__ or cause.__context__
    return {
        "error": " < ".join(kinds),
        "at": [f"{step.filename}:{step.lineno} {step.name}" for step in steps[-STEPS:]],
    }
