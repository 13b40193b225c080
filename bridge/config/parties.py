"""Settings of those on either side: the clients and the providers."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from bridge.cadence import Mode
from bridge.config import fields as f
from bridge.config import secrecy
from bridge.config.fields import within
from bridge.config.settings import Settings
from bridge.rate import Rate

Count = Annotated[int, Field(ge=1, le=1_000_000_000)]


class Role(StrEnum):
    """What a client may see: its own work, or everybody's."""

    CLIENT = "client"
    OPERATOR = "operator"


class Limits(Settings):
    """How much one client may ask for."""

    active: Count = Field(
        default=100_000, description="Active subscriptions of the client, at most."
    )
    requests: f.Requests = Field(
        default=Rate(50), description="Requests of the client to the API, at most."
    )


class Client(Settings):
    """Somebody who may use the API."""

    api_keys: secrecy.ApiKeys = Field(
        description="What the client proves itself with: at least 16 characters each. "
        "A list, so that a key can be changed without a gap."
    )
    signing_secrets: secrecy.SigningSecrets = Field(
        description="`whsec_…`, as `poll-bridge secret new` makes them. Webhooks carry "
        "a signature for each."
    )
    role: Role = Field(
        default=Role.CLIENT,
        description="`client`, or `operator`, who sees all clients and `/metrics`.",
    )
    providers: f.Names | None = Field(
        default=None,
        description="Providers whose configured keys the client may use. "
        "Not given: all if it is the only client, else none.",
    )
    callback_url: secrecy.CallbackUrl | None = Field(
        default=None,
        description="Where webhooks go if a subscription names no `callback_url`.",
    )
    limits: Limits = Field(default=Limits(), description="What the client may ask for.")


class Poll(Settings):
    """When to ask. What is not given, the provider's page says."""

    interval_s: Annotated[float, within("10ms", "1d")] | None = Field(
        default=None,
        alias="interval",
        description="Spend as many polls as a fixed interval of this length would, placed "
        "where tasks are likely to end.",
    )
    first_s: Annotated[float, within("0s", "1d")] | None = Field(
        default=None,
        alias="first",
        description="From the subscription to its first poll.",
    )
    min_s: Annotated[float, within("10ms", "1d")] | None = Field(
        default=None,
        alias="min",
        description="Shortest gap between two polls of one task.",
    )
    max_s: Annotated[float, within("10ms", "7d")] | None = Field(
        default=None,
        alias="max",
        description="Longest gap between two polls of one task.",
    )
    cadence: Mode | None = Field(
        default=None,
        description="`learned`: where such tasks were seen to end; `fixed`: at the "
        "interval; `backoff`: further and further apart.",
    )
    timeout_s: Annotated[float, within("100ms", "10m")] | None = Field(
        default=None,
        alias="timeout",
        description="For one poll, from DNS to the end of the answer.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        given = [x for x in (self.min_s, self.interval_s, self.max_s) if x is not None]
        if given != sorted(given):
            raise ValueError("min, interval and max must ascend")
        return self


class Provider(Settings):
    """A service whose tasks are polled."""

    preset: str | None = Field(
        default=None,
        description="Built-in page to use. Not given: the one of the provider's name.",
    )
    base_url: f.BaseUrl | None = Field(
        default=None,
        description="Where its API is. Not given: as the page says.",
    )
    api_key: secrecy.ProviderKey | None = Field(
        default=None,
        description="For callers that bring no key and are granted this provider.",
    )
    poll: Poll = Field(default=Poll(), description="When to ask.")
    rate_limit: f.Requests | None = Field(
        default=None,
        description="Polls with one key, at most. Not given: as the page says.",
    )
    deadline_s: Annotated[float, within("1s")] | None = Field(
        default=None,
        alias="deadline",
        description="How long a subscription that does not say waits for an end. "
        "Not given: as the page says.",
    )
    proxy: secrecy.ProxyUrl | None = Field(
        default=None,
        description="HTTP proxy to it: `http://user:password@proxy:3128`.",
    )
    ca_file: f.CaFile | None = Field(
        default=None,
        description="Further certificate authorities to trust, in PEM.",
    )
    params: Annotated[Mapping[str, str], Field(max_length=64)] = Field(
        default={},
        description="Values for the page's variables (region, app, …) where a caller "
        "gives none.",
        repr=False,
    )
    page: f.Anything | None = Field(
        default=None,
        description="A page of your own, or what to change on the preset's.",
        repr=False,
    )
    enabled: bool = Field(default=True, description="`false` switches the provider off.")
