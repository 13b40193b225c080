"""The nouns every room speaks of. Frozen values without behaviour of their own.

    words          closed sets of words: states, outcomes, codes
    subscriptions  who wants to be told of what, and where
    polls          a question to a provider, and what came of it
    deliveries     what is owed to a receiver, and each attempt at it

Times are unix seconds (float), fields ending in `_s` are seconds. Fields that hold
secrets or private links are left out of `repr`.
"""

from bridge.model.deliveries import (
    Attempt,
    ClaimedDelivery,
    Delivery,
    Reply,
)
from bridge.model.polls import (
    DIRECT,
    Answer,
    ClaimedPoll,
    File,
    Observation,
    PollRequest,
    Result,
    TaskError,
    Way,
)
from bridge.model.subscriptions import (
    DeliverySummary,
    Destination,
    Hook,
    HookWish,
    IdempotencyKey,
    LastPoll,
    Robot,
    Subscription,
    Wish,
)
from bridge.model.words import (
    AttemptOutcome,
    DeliveryState,
    ErrorCode,
    Outcome,
    PollOutcome,
    Status,
    SubscriptionState,
    UrlMissing,
)

__all__ = [
    "DIRECT",
    "Answer",
    "Attempt",
    "AttemptOutcome",
    "ClaimedDelivery",
    "ClaimedPoll",
    "Delivery",
    "DeliveryState",
    "DeliverySummary",
    "Destination",
    "ErrorCode",
    "File",
    "Hook",
    "HookWish",
    "IdempotencyKey",
    "LastPoll",
    "Observation",
    "Outcome",
    "PollOutcome",
    "PollRequest",
    "Reply",
    "Result",
    "Robot",
    "Status",
    "Subscription",
    "SubscriptionState",
    "TaskError",
    "UrlMissing",
    "Way",
    "Wish",
]
