"""Which deliveries `POST /deliveries/retry` is to try once more, as it is asked."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
)

from bridge import rfc3339
from bridge.api import query
from bridge.api.auth import Caller
from bridge.api.deliveries import subscription_key
from bridge.api.faults import read_model
from bridge.api.fields import at_most, comma_separated, distinct
from bridge.api.problem import refusal
from bridge.errors import FieldFault
from bridge.model import DeliveryState

MOST = 1_000_000
STATES = (
    DeliveryState.WAITING,
    DeliveryState.RETRYING,
    DeliveryState.ACCEPTED,
    DeliveryState.PRESUMED,
    DeliveryState.EXHAUSTED,
    DeliveryState.GONE,
)


def several(given: Any) -> Any:
    """
    >>> several("gone,exhausted"), several(["gone, exhausted", "accepted"])
    (['gone', 'exhausted'], ['gone', 'exhausted', 'accepted'])
    """
    if isinstance(given, list) and all(isinstance(each, str) for each in given):
        return [word for each in given for word in comma_separated(each)]
    return comma_separated(given)


def known_states(given: tuple[str, ...]) -> tuple[str, ...]:
    if not given or not set(given) <= set(STATES):
        raise ValueError(f"must be one or several of {', '.join(STATES)}")
    return distinct(given)


def time(given: Any) -> float:
    return rfc3339.unix(given if isinstance(given, str) else "")


States = Annotated[
    tuple[str, ...],
    at_most(100),
    BeforeValidator(several),
    AfterValidator(known_states),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "string", "enum": list(STATES)},
            "minItems": 1,
            "maxItems": 100,
        }
    ),
]
Time = Annotated[
    float,
    PlainValidator(time),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class ReplayBody(BaseModel):
    """What `POST /deliveries/retry` takes."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    state: States = Field(
        (DeliveryState.EXHAUSTED,), description="One state of deliveries, or several."
    )
    since: Time | None = Field(None, description="Those made then or later.")
    until: Time | None = Field(None, description="Those made before; at most now.")
    as_of: Time | None = Field(
        None, description="Those in their state by then; at most now."
    )
    host: Annotated[str, AfterValidator(query.host)] | None = Field(
        None, description="Of the callback, without port."
    )
    subscription_id: Annotated[str, AfterValidator(subscription_key)] | None = Field(
        None, description="Those of one subscription."
    )
    limit: Annotated[int, Field(ge=1, le=MOST)] | None = Field(
        None, description="At most so many, the oldest of each state first."
    )
    dry_run: bool = Field(False, description="Only count them.")


class OperatorsBody(ReplayBody):
    """The same for operators, who see all clients."""

    client: Annotated[str, AfterValidator(query.plain_text)] | None = Field(
        None, description="Only this client's."
    )


def body_of(given: Mapping[str, Any], caller: Caller) -> ReplayBody:
    """Raises RequestError."""
    model = OperatorsBody if caller.operator else ReplayBody
    body, faults, _ = read_model(model, given)
    if body.since is not None and body.until is not None and body.since >= body.until:
        faults.append(FieldFault("until", "must be later than `since`"))
    if faults:
        raise refusal(faults)
    return body
