"""What a body may hold. Judged here is what can be judged without the configuration."""

import re
from typing import Annotated, Any, Literal

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
)

from bridge import duration, events, signature

METADATA_BYTES = 16_384
METADATA_DEPTH = 32  # an event nests it deeper still, and receivers have limits too
TOO_DEEP = f"nested more than {METADATA_DEPTH} levels deep"
LABEL_CHARS = 128
ROBOT_SECRET_CHARS, ROBOT_KEYWORD_CHARS = 256, 64
ROBOT_SECRET = re.compile(f"[!-~]{{1,{ROBOT_SECRET_CHARS}}}")
ROBOT_KEYWORD = re.compile(
    rf"(?! )[^<>\x00-\x1f\x7f-\x9f]{{1,{ROBOT_KEYWORD_CHARS}}}(?<! )"
)
SECRETS, EVENTS, ENTRIES = 5, 100, 64
MIN_DEADLINE_S = 10.0


def at_most(most: int) -> BeforeValidator:
    """Before the entries are looked at: a million faults would cost seconds to find."""

    def check(given: Any) -> Any:
        if isinstance(given, list | dict) and len(given) > most:
            raise ValueError(f"at most {most}")
        return given

    return BeforeValidator(check)


def one_or_several(given: Any) -> Any:
    return (given,) if isinstance(given, str) else given


def comma_separated(given: Any) -> Any:
    """
    >>> comma_separated("task.failed, task.succeeded")
    ['task.failed', 'task.succeeded']
    """
    return [each.strip() for each in given.split(",")] if isinstance(given, str) else given


def known_events(given: tuple[str, ...]) -> tuple[str, ...]:
    if not given:
        raise ValueError("name at least one event, or leave it out for all ends")
    events.expand(given)
    return distinct(given)


def bounded(given: dict[str, Any]) -> dict[str, Any]:
    try:
        size = len(orjson.dumps(given)) if given else 0
    except orjson.JSONEncodeError:  # its own limit of depth, above ours
        raise ValueError(TOO_DEEP) from None
    if size > METADATA_BYTES:
        raise ValueError(f"has more than {METADATA_BYTES:,} bytes as JSON")
    if given and deeper_than(given, METADATA_DEPTH):
        raise ValueError(TOO_DEEP)
    return given


def deeper_than(value: Any, levels: int) -> bool:
    """
    >>> deeper_than({"a": [1]}, 1), deeper_than({"a": [1]}, 2), deeper_than(1, 0)
    (True, False, False)
    """
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(deeper_than(each, levels - 1) for each in inner)


def label(given: str) -> str:
    if len(given) > LABEL_CHARS or not given.isprintable():
        raise ValueError(f"is a label of up to {LABEL_CHARS} printable characters")
    return given


def signing_secret(given: str) -> str:
    signature.key_bytes(given)
    return given


def robot_fields(given: dict[str, str]) -> dict[str, str]:
    if not given.keys() <= {"secret", "keyword"}:
        raise ValueError("takes `secret` and `keyword` only")
    if not ROBOT_SECRET.fullmatch(given.get("secret", "x")):
        raise ValueError(
            f"has a secret that is not up to {ROBOT_SECRET_CHARS} printable ASCII "
            "characters without spaces: copy it from the robot's settings"
        )
    if not ROBOT_KEYWORD.fullmatch(given.get("keyword", "x")):
        raise ValueError(
            f"has a keyword that is not one line of up to {ROBOT_KEYWORD_CHARS} letters "
            "without < and >"
        )
    return given


def distinct(given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(given))


def deadline(given: Any) -> float:
    found = duration.seconds(given)
    if found < MIN_DEADLINE_S:
        raise ValueError(f"at least {duration.text(MIN_DEADLINE_S)}")
    return found


Events = Annotated[
    tuple[str, ...],
    at_most(EVENTS),
    BeforeValidator(comma_separated),
    AfterValidator(known_events),
]
Secrets = Annotated[
    tuple[Annotated[str, AfterValidator(signing_secret)], ...],
    at_most(SECRETS),
    BeforeValidator(one_or_several),
    AfterValidator(distinct),
]
Format = Literal[
    "standard", "flat", "form", "query", "slack", "discord", "feishu", "dingtalk", "wecom"
]
Shape = Annotated[
    Format, Field(description="Of the body: an event, or what a chat robot takes.")
]
Method = Annotated[
    Literal["POST", "GET"],
    Field(description="How the webhook is sent; GET, if `format` is `query`."),
]
RobotFields = Annotated[
    dict[str, str],
    AfterValidator(robot_fields),
    Field(
        repr=False,
        description="`secret` and `keyword` of a chat robot that wants them: feishu, "
        "dingtalk.",
    ),
]
Headers = Annotated[
    dict[str, str],
    at_most(ENTRIES),
    Field(repr=False, description="Sent along with each webhook."),
]
Auth = Annotated[
    dict[str, str],
    at_most(ENTRIES),
    Field(
        repr=False,
        description="How the receiver knows us: `type` bearer, basic, header or query, and "
        "`token`, or `username` and `password`, or `name` and `value`.",
    ),
]
Deadline = Annotated[
    float,
    PlainValidator(deadline),
    WithJsonSchema({"type": ["string", "number"], "examples": ["90s", "2h", 3600]}),
]


class SubscribeBody(BaseModel):
    """What `POST /subscribe` takes."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    provider: str = Field(description="Who runs the task: a name of GET /providers.")
    task_id: str = Field(description="The id the provider gave the task.")
    callback_url: str | None = Field(
        None,
        repr=False,
        description="Where the webhook goes. Absent: the client's default, else your hooks "
        "alone; the end can be read with `wait` or GET.",
    )
    events: Events = Field(
        (events.TASK_ENDED,), description="Which events are sent; `task.ended`: all ends."
    )
    metadata: Annotated[dict[str, Any], AfterValidator(bounded)] = Field(
        default_factory=dict,
        repr=False,
        description="Comes back in every event; up to 16 KiB.",
    )
    provider_api_key: str | None = Field(
        None,
        repr=False,
        description="Your own key at the provider, instead of the configured one.",
    )
    params: Annotated[dict[str, str], at_most(ENTRIES)] = Field(
        default_factory=dict,
        description="Further variables that the provider's page declares.",
    )
    model: Annotated[str, AfterValidator(label)] | None = Field(
        None, description="Label to learn durations by, if the provider does not say."
    )
    deadline: Deadline | None = Field(
        None,
        description="When to give up, counted from now. Absent: as the provider's page.",
    )
    format: Shape = "standard"
    method: Method = "POST"
    robot: RobotFields = {}
    headers: Headers = {}
    auth: Auth = {}
    signing_secret: Secrets = Field(
        (), repr=False, description="`whsec_…`, one or several, instead of the client's."
    )
    include_raw: bool = Field(
        False, description="Whether events carry the provider's own body as `raw`."
    )


class HookBody(BaseModel):
    """What `POST /hooks` takes."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    url: str = Field(repr=False, description="Where the webhooks go.")
    events: Events = Field(
        (events.TASK_ENDED,),
        description="Which events are sent; `task.ended`: all ends. `task.updated` only of "
        "subscriptions that ask for it themselves.",
    )
    provider: str | None = Field(None, description="Only of this provider. Absent: of all.")
    format: Shape = "standard"
    method: Method = "POST"
    robot: RobotFields = {}
    headers: Headers = {}
    auth: Auth = {}
    signing_secret: Secrets = Field(
        (),
        repr=False,
        description="`whsec_…`, one or several. Absent: one is minted, and in the answer.",
    )


CallBody = SubscribeBody | HookBody  # what says how somebody is called
