"""Every operation of the API, by path and method."""

from collections.abc import Mapping

from bridge import sse
from bridge.api import deliveries, hooks, query, samples, subscriptions
from bridge.api.choosing import OperatorsBody
from bridge.api.models import HookBody, HookTrialBody, SubscribeBody, TrialBody
from bridge.api.openapi.about import ABOUT
from bridge.api.openapi.answers import (
    BatchRefused,
    BatchTaken,
    Counted,
    DeliveryPage,
    DeliveryWithAttempts,
    Hook,
    HookMade,
    HookPage,
    Replayed,
    SampleBody,
    Subscription,
    SubscriptionPage,
    Timeline,
    Trial,
)
from bridge.api.openapi.operation import Operation, schema_of
from bridge.api.openapi.parameters import IDEMPOTENCY, OWN_KEY, TRACE, in_path, in_query
from bridge.api.openapi.refusals import BODY, CLOSED, STORED
from bridge.api.openapi.told import EVENT, callbacks
from bridge.api.subscribing import BATCH_ITEMS

TEXT = {"type": "string"}
CALLED = ("unknown_provider", "callback_address_forbidden", "not_ready")
KEYED = ("idempotency_in_flight", "idempotency_key_reused")
LOCATION = {"Location": {"description": "Its path.", "schema": TEXT}}
REPLAYED = {
    "Idempotency-Replayed": {
        "description": "`true`: it was asked for before, under this key.",
        "schema": TEXT,
    }
}
SUBSCRIPTION = in_path("id", TEXT, "`sub_…`")
DELIVERY = in_path("id", TEXT, "`msg_…`")
HOOK = in_path("id", TEXT, "`hook_…`")
ASKED = {
    "provider": "amux",
    "task_id": "abcd1234efgh",
    "callback_url": "https://app.example.com/hooks/video",
}


def subscribe(id_: str) -> Operation:
    return Operation(
        id=id_,
        tag="subscriptions",
        summary="Watch a task",
        description="202 means: on disk. An identical request finds its subscription, for "
        'a day after the end too. `""` and null mean that a field is absent.',
        parameters=[*in_query(query.WAITING), IDEMPOTENCY, OWN_KEY, TRACE],
        body=SubscribeBody,
        body_example=ASKED,
        answers={
            202: ("It is new, and on disk.", Subscription),
            200: ("It was there before.", Subscription),
        },
        headers=LOCATION | REPLAYED,
        codes=(
            *STORED,
            *BODY,
            *KEYED,
            *CALLED,
            "provider_not_granted",
            "provider_key_required",
            "limit_active",
        ),
        callbacks=callbacks("callback_url"),
    )


BATCH = {
    "type": "array",
    "items": {"type": "object", "description": "As `SubscribeBody`; each is judged alone."},
    "maxItems": BATCH_ITEMS,
}
CALLS: Mapping[tuple[str, str], Operation] = {
    ("/subscribe", "POST"): subscribe("subscribe"),
    ("/subscriptions", "POST"): subscribe("createSubscription"),
    ("/subscribe/batch", "POST"): Operation(
        id="subscribeBatch",
        tag="subscriptions",
        summary="Watch many tasks",
        description="Each is judged by itself: one that is refused harms no other.",
        parameters=[IDEMPOTENCY, OWN_KEY, TRACE],
        body={
            "anyOf": [
                BATCH,
                {
                    "type": "object",
                    "properties": {"subscriptions": BATCH},
                    "required": ["subscriptions"],
                    "additionalProperties": False,
                },
            ]
        },
        forms=False,
        body_example=[ASKED],
        answers={
            200: (
                "What became of each, in order.",
                {
                    "type": "array",
                    "items": {"anyOf": [schema_of(BatchTaken), schema_of(BatchRefused)]},
                },
            )
        },
        codes=(*STORED, *BODY, *KEYED, "not_ready"),
    ),
    ("/subscriptions", "GET"): Operation(
        id="listSubscriptions",
        tag="subscriptions",
        summary="List subscriptions, newest first",
        parameters=in_query(
            subscriptions.FILTERS | subscriptions.PAGING | subscriptions.OPERATORS
        ),
        answers={200: ("A page of them.", SubscriptionPage)},
        codes=STORED,
    ),
    ("/subscriptions/{id}", "GET"): Operation(
        id="getSubscription",
        tag="subscriptions",
        summary="Read one, or wait for its end",
        parameters=[SUBSCRIPTION, *in_query(query.WAITING)],
        answers={200: ("As it is now.", Subscription)},
        codes=(*STORED, "subscription_not_found"),
    ),
    ("/subscriptions/{id}", "DELETE"): Operation(
        id="stopSubscription",
        tag="subscriptions",
        summary="Stop one",
        parameters=[SUBSCRIPTION],
        answers={204: ("It is stopped, or was already.", None)},
        codes=(*STORED, "subscription_not_found"),
    ),
    ("/subscriptions/{id}/timeline", "GET"): Operation(
        id="getTimeline",
        tag="subscriptions",
        summary="Read all that became of one",
        description="How often its task was polled, what was told of it, and each attempt.",
        parameters=[SUBSCRIPTION],
        answers={200: ("As it is now.", Timeline)},
        codes=(*STORED, "subscription_not_found"),
    ),
    ("/deliveries", "GET"): Operation(
        id="listDeliveries",
        tag="deliveries",
        summary="List deliveries, newest first",
        parameters=in_query(deliveries.READERS | deliveries.OPERATORS),
        answers={200: ("A page of them.", DeliveryPage)},
        codes=STORED,
    ),
    ("/deliveries/retry", "POST"): Operation(
        id="retryDeliveries",
        tag="deliveries",
        summary="One attempt more of each of many",
        parameters=[IDEMPOTENCY],
        body=OperatorsBody,
        body_example={"state": ["exhausted"], "dry_run": True},
        answers={
            202: ("So many were taken.", Replayed),
            200: ("So many there are; nothing was done.", Counted),
        },
        headers=REPLAYED,
        codes=(*STORED, *BODY, *KEYED, "not_ready"),
    ),
    ("/deliveries/{id}", "GET"): Operation(
        id="getDelivery",
        tag="deliveries",
        summary="Read one, with its attempts",
        parameters=[DELIVERY],
        answers={200: ("As it is now.", DeliveryWithAttempts)},
        codes=(*STORED, "delivery_not_found"),
    ),
    ("/deliveries/{id}/retry", "POST"): Operation(
        id="retryDelivery",
        tag="deliveries",
        summary="One attempt more, now",
        parameters=[DELIVERY, IDEMPOTENCY],
        answers={202: ("It will be made.", DeliveryWithAttempts)},
        headers=REPLAYED,
        codes=(*STORED, *KEYED, "delivery_not_found", "delivery_not_retryable"),
    ),
    ("/hooks", "GET"): Operation(
        id="listHooks",
        tag="hooks",
        summary="List hooks, newest first",
        parameters=in_query(hooks.PAGING),
        answers={200: ("A page of them.", HookPage)},
        codes=STORED,
    ),
    ("/hooks", "POST"): Operation(
        id="addHook",
        tag="hooks",
        summary="Have the events of all your subscriptions told here too",
        parameters=[IDEMPOTENCY],
        body=HookBody,
        body_example={"url": ASKED["callback_url"], "events": ["task.failed"]},
        answers={
            201: ("It is new, and on disk.", HookMade),
            200: ("It was there before.", HookMade),
        },
        headers=REPLAYED,
        codes=(*STORED, *BODY, *KEYED, *CALLED, "hook_removed", "limit_hooks"),
        callbacks=callbacks("url"),
    ),
    ("/hooks/{id}", "GET"): Operation(
        id="getHook",
        tag="hooks",
        summary="Read one",
        parameters=[HOOK],
        answers={200: ("As it is now.", Hook)},
        codes=(*STORED, "hook_not_found"),
    ),
    ("/hooks/{id}", "DELETE"): Operation(
        id="removeHook",
        tag="hooks",
        summary="Remove one",
        parameters=[HOOK],
        answers={204: ("It is removed, or was already.", None)},
        codes=(*STORED, "hook_not_found"),
    ),
    ("/hooks/{id}/test", "POST"): Operation(
        id="testHook",
        tag="tests",
        summary="Send it one sample now, and see all that comes of it",
        description="It is called as ever: with its own secret, headers and format.",
        parameters=[HOOK],
        body=HookTrialBody,
        body_required=False,
        body_example={"type": "task.failed"},
        answers={200: ("What was sent, and what was answered.", Trial)},
        codes=(
            *STORED,
            *BODY,
            "hook_not_found",
            "callback_address_forbidden",
            "not_ready",
        ),
    ),
    ("/events", "GET"): Operation(
        id="listenToEvents",
        tag="subscriptions",
        summary="Events as they happen, as server-sent events",
        description="Live only: nothing that was missed is repeated. The `id` of each is "
        "the `event_id`, its `data` the body of a webhook.",
        answers={200: ("A stream without an end.", {"type": "string"})},
        media_types=(sse.MEDIA_TYPE,),
        codes=(*STORED, "limit_listeners", "not_ready"),
    ),
    ("/samples", "GET"): Operation(
        id="listSamples",
        tag="tests",
        summary="Sample events, as real ones are shaped",
        parameters=in_query(samples.FILTERS),
        answers={
            200: (
                "At least one, newest first.",
                {
                    "type": "array",
                    "items": {
                        "anyOf": [
                            EVENT,
                            schema_of(SampleBody),
                            {
                                "type": "object",
                                "description": "In format `flat`: the same facts on one "
                                "level.",
                                "required": ["id", "event_id", "type", "task_id"],
                            },
                        ]
                    },
                },
            )
        },
        codes=CLOSED,
    ),
    ("/callbacks/test", "POST"): Operation(
        id="testCallback",
        tag="tests",
        summary="Send one sample now, and see all that comes of it",
        body=TrialBody,
        body_example={"callback_url": ASKED["callback_url"]},
        answers={200: ("What was sent, and what was answered.", Trial)},
        codes=(*STORED, *BODY, "callback_address_forbidden", "not_ready"),
        callbacks=callbacks("callback_url"),
    ),
    **ABOUT,
}
