"""Every error of the client.

    ClientError
    ├── Refused        the bridge has said no; `code` says why
    ├── Unreachable    it has not answered, for as long as it was asked
    ├── NotABridge     somebody else has answered
    ├── NotEnded       the task has not ended in the time there was
    └── StreamEnded    the stream of events is over, and will not come back

Each has a `hint`: what to do, or None. `lines` are for people.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bridge.errors import ClientError, FieldFault

if TYPE_CHECKING:
    from bridge.client.nouns import Subscription

PLAIN_HTTP = "TLS failed: wrong version number"  # OpenSSL's words for an answer without
AGAIN_LATER = (408, 425, 429)  # and all 5xx
IN_FLIGHT = "idempotency_in_flight"

# Where the bridge's own words do not say what to do. docs/errors.md has all codes.
HINTS: Mapping[str, str] = {
    "unauthorized": "check the API key: BRIDGE_API_KEY, or the client's `api_keys`",
    "not_found": "a bridge is there, but not at this path: check the URL",
    "operator_only": "use the key of a client with `role: operator`",
    "provider_not_granted": "send a key of your own, or ask the operator to grant it",
    "subscription_not_found": "check the id; those of other clients count as not there",
    "delivery_not_found": "check the id; those of other clients count as not there",
    "hook_not_found": "check the id; those of other clients count as not there",
    "hook_removed": "draw a new key to add the hook again",
    "unknown_provider": "GET /providers lists those there are",
    "rate_limited": "ask less often, or ask the operator for more",
    "limit_listeners": "close another stream of events",
    "not_ready": "it is starting or stopping; try again",
    "store_unavailable": "try again; if it stays so, tell the operator",
    "internal_error": "tell the operator, with the id of the request",
}


class Refused(ClientError):
    """The bridge's own no. `errors` has a line for each field to be changed; `request_id`
    is what the operator finds it by.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldFault] = (),
        retry_after_s: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status, self.code, self.detail = status, code, detail
        self.errors, self.retry_after_s = tuple(errors), retry_after_s
        self.request_id, self.hint = request_id, HINTS.get(code)
        self.passing = status in AGAIN_LATER or status >= 500 or code == IN_FLIGHT

    @property
    def lines(self) -> Sequence[str]:
        """
        >>> Refused(401, "unauthorized", "this key is not known").lines[0]
        '401 unauthorized: this key is not known'
        """
        several = self.errors if len(self.errors) > 1 else ()  # one is the detail
        found = [str(self), *(f"  {each.field}: {each.message}" for each in several)]
        return [*found, *([self.hint] if self.hint else [])]


class Unreachable(ClientError):
    """Nobody has answered."""

    passing = True
    hint = "Does the bridge run there? --url or BRIDGE_URL says where."

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url} does not answer: {reason}")
        self.reason = reason
        if reason == PLAIN_HTTP:
            self.hint = "It does not speak TLS there: write http:// in place of https://."


class NotABridge(ClientError):
    """What has answered is no bridge."""

    def __init__(self, url: str, status: int) -> None:
        super().__init__(
            f"{url} answers {status}, but not as poll-bridge does; check --url"
        )
        self.status = status
        self.passing = status in AGAIN_LATER or status >= 500


class NotEnded(ClientError, TimeoutError):
    """The time is over; the bridge goes on. `subscription` is what is known so far."""

    hint = "it is watched all the same: wait for it again, or give it more time"

    def __init__(self, subscription: "Subscription", waited_s: float) -> None:
        super().__init__(
            f"{subscription.provider}/{subscription.task_id} has not ended within "
            f"{waited_s:g} s"
        )
        self.subscription = subscription


class StreamEnded(ClientError):
    """`reason`: `unauthorized`, if the key was taken away."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"the stream of events has ended ({reason}): {detail}")
        self.reason = reason
        self.hint = HINTS.get(reason)
        self.passing = reason in ("stopping", "too_slow")
