"""The API's parts, for whoever offers the same actions in another form."""

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.api.accounts import Accounts
from bridge.api.auth import Doorkeeper
from bridge.api.deliveries import Deliveries
from bridge.api.deps import Deps
from bridge.api.limits import RequestLimit
from bridge.api.listing import Listing
from bridge.api.replaying import Replaying
from bridge.api.resource import Open
from bridge.api.subscriptions import Subscriptions
from bridge.api.trying import Trying

Paths = Mapping[str, Mapping[str, Open]]  # what serves each method of each path


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What is counted and queued in one of these is so for both forms together."""

    deps: Deps
    keeper: Doorkeeper
    limit: RequestLimit
    listing: Listing
    accounts: Accounts
    subscriptions: Subscriptions
    deliveries: Deliveries
    replaying: Replaying
    trying: Trying
