"""A body → the model it should fit, and what is wrong with it, in words for its sender."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bridge.errors import FieldFault

M = TypeVar("M", bound=BaseModel)

SHOWN = 64  # characters of a name that the caller chose
TOLD = 20  # faults of one request: more help nobody, and each costs time to explain

# What similar services and no-code tools call our fields, where no likeness would tell.
SYNONYMS = {
    "apikey": "provider_api_key",
    "callback": "callback_url",
    "callbackurl": "url",
    "hookurl": "url",
    "jobid": "task_id",
    "predictionid": "task_id",
    "secret": "signing_secret",
    "targeturl": "url",
    "timeout": "deadline",
    "ttl": "deadline",
    "url": "callback_url",
    "webhook": "callback_url",
    "webhookurl": "callback_url",
}

_WORDS = {
    "missing": "is required",
    "string_type": "must be text, in quotes",
    "dict_type": 'must be an object, like {"name": "value"}',
    "tuple_type": "must be a list of texts",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
}


def read_model(
    model: type[M], given: Mapping[str, Any]
) -> tuple[M, list[FieldFault], set[str]]:
    """The model, the faults, and the names of the fields that have one.

    Faulty fields have their defaults, those that are required are empty: enough to look
    for faults that only show beyond the model, so that all are told at once.
    """
    try:
        return model.model_validate(given), [], set()
    except ValidationError as error:
        details = error.errors(
            include_url=False, include_input=False, include_context=False
        )
    wrong = {str(detail["loc"][0]) for detail in details}
    rest = {name: value for name, value in given.items() if name not in wrong}
    empty = {n: "" for n, f in model.model_fields.items() if f.is_required()}
    faults = [fault_of(detail, list(model.model_fields)) for detail in details[:TOLD]]
    return model.model_validate(empty | rest), faults, wrong


def fault_of(detail: ErrorDetails, known: Iterable[str]) -> FieldFault:
    field = dotted(detail["loc"])
    if detail["type"] == "extra_forbidden":
        return unknown(field, known)
    message = detail["msg"].removeprefix("Value error, ")
    return FieldFault(
        field, _WORDS.get(detail["type"]) or message.replace("Input should be", "must be")
    )


def unknown(name: str, known: Iterable[str], *, what: str = "field") -> FieldFault:
    """
    >>> unknown("callbackUrl", ["callback_url", "provider"]).message
    'there is no such field; did you mean callback_url?'
    """
    names = {plain(each): each for each in known}
    likely = SYNONYMS.get(plain(name))
    near = difflib.get_close_matches(plain(name), names, n=1)
    if likely in names.values() or near:
        advice = f"did you mean {likely if likely in names.values() else names[near[0]]}?"
    else:
        advice = f"known: {', '.join(names.values())}" if names else "none is known here"
    return FieldFault(name[:SHOWN], f"there is no such {what}; {advice}")


def plain(name: str) -> str:
    """
    >>> plain("callbackUrl") == plain("callback_url")
    True
    """
    return re.sub("[^a-z0-9]", "", name[:SHOWN].lower())


def dotted(path: Iterable[str | int]) -> str:
    """
    >>> dotted(("signing_secret", 0)), dotted(("params", "region"))
    ('signing_secret[0]', 'params.region')
    """
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")[:SHOWN]
