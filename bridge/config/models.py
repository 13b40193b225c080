"""Every setting, with its meaning, unit and default.

A key is called as its field is; durations are in seconds inside, and so their fields end in
``_s`` while the key does not. `docs/configuration.md` and `config.example.yaml` are kept
equal to this page.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from bridge.config import fields as f
from bridge.config import secrecy
from bridge.config.fields import Address, within
from bridge.config.parties import Client, Provider, Role
from bridge.config.settings import Settings

Slots = Annotated[int, Field(ge=1, le=10_000)]


class Callbacks(Settings):
    """How webhooks are sent."""

    timeout_s: Annotated[float, within("1s", "5m")] = Field(
        default=20.0,
        alias="timeout",
        description="For one attempt, from DNS to the end of the answer.",
    )
    retries: f.Schedule = Field(
        default="default",
        description="Waits between attempts: `default` (13 attempts in 2 days), `standard` "
        "(the example of Standard Webhooks) or a list: `[5s, 1m, 1h]`.",
    )
    allow_hosts: f.Hosts = Field(
        default=(),
        description="Host names that may be called back although they are internal.",
    )
    allow_networks: f.Networks = Field(
        default=(),
        description="Internal networks that may be called back: `[10.0.0.0/8]`.",
    )
    https_only: bool = Field(default=False, description="Refuse callbacks over plain HTTP.")
    proxy: secrecy.ProxyUrl | None = Field(
        default=None,
        description="HTTP proxy that leads outside: `http://user:password@proxy:3128`. "
        "What is listed above is reached without it.",
    )
    ca_file: f.CaFile | None = Field(
        default=None,
        description="Further certificate authorities to trust, in PEM.",
    )
    slots: Slots = Field(default=256, description="Attempts in flight, at most.")
    host_slots: Slots = Field(
        default=16, description="Attempts in flight to one host, at most."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.host_slots > self.slots:
            raise ValueError("host_slots is more than slots")
        return self


class Polling(Settings):
    """How polls are sent."""

    slots: Slots = Field(default=256, description="Polls in flight, at most.")
    lane_slots: Slots = Field(
        default=64, description="Polls in flight with one key, at most."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.lane_slots > self.slots:
            raise ValueError("lane_slots is more than slots")
        return self


class Notify(Settings):
    """What the operator is told of without asking."""

    url: secrecy.CallbackUrl | None = Field(
        default=None,
        description="Where notices go, as webhooks. Not given: nobody is told.",
    )
    format: Literal[
        "standard", "flat", "form", "slack", "discord", "feishu", "dingtalk", "wecom"
    ] = Field(
        default="standard",
        description="Shape of the body: an event, or what a chat robot takes.",
    )
    robot_secret: secrecy.ProviderKey | None = Field(
        default=None, description="What a robot of feishu or dingtalk is signed with."
    )
    robot_keyword: Annotated[str, Field(max_length=64)] | None = Field(
        default=None, description="What a robot of feishu or dingtalk wants in each text."
    )
    events: f.Notices = Field(
        default=("provider.key_refused", "delivery.exhausted", "backlog.late"),
        description="Which notices are sent; docs/operations.md lists them.",
    )
    signing_secret: secrecy.SigningSecrets | None = Field(
        default=None,
        description="`whsec_…`, one or several. Not given: those of the first client with "
        "`role: operator`.",
    )


class Log(Settings):
    """What is written to standard error."""

    format: Literal["auto", "json", "text"] = Field(
        default="auto",
        description="`json`, `text`, or `auto`: text on a terminal, JSON elsewhere.",
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="Least important level written: `debug`, `info`, `warning`, `error`.",
    )


class Traces(Settings):
    """Where spans of subscriptions go."""

    endpoint: f.BaseUrl | None = Field(
        default=None,
        description="Collector that takes OTLP over HTTP: `http://collector:4318`; needs "
        "the extra `otel`. Not given: `OTEL_EXPORTER_OTLP_ENDPOINT`, or else no spans are "
        "made.",
    )


class Config(Settings):
    """Everything `serve` needs to know."""

    listen: f.ListenAddress = Field(
        default=Address("127.0.0.1", 8080),
        description="Address and port of the API.",
    )
    public_url: f.BaseUrl | None = Field(
        default=None,
        description="How others reach this bridge; goes into `Location` and result links. "
        "Not given: `http://` and `listen`, as this machine reaches it.",
    )
    database: secrecy.DatabaseUrl = Field(
        default=SecretStr("sqlite:///bridge.db"),
        description="`sqlite:///file` (`////` for an absolute path), or "
        "`postgresql://user:password@host/name` for several nodes.",
    )
    listen_database: secrecy.PostgresUrl | None = Field(
        default=None,
        description="The same PostgreSQL without the pooler, if `database` leads through "
        "one that gives each transaction another connection (PgBouncer).",
    )
    roles: f.Roles = Field(
        default=tuple(f.NodeRole),
        description="What this node does, of several on PostgreSQL; one of them at least "
        "has to be `api`, one `poller`, one `dispatcher`.",
    )
    encryption_keys: secrecy.EncryptionKeys = Field(
        description="For data at rest: at least 32 characters each, "
        "newest first. Older ones only open what they sealed.",
    )
    clients: Annotated[Mapping[f.Name, Client], Field(min_length=1)] = Field(
        description="Who may use the API.",
    )
    providers: Mapping[f.Name, Provider] = Field(
        default={},
        description="Whose tasks are polled. None given: every complete preset.",
    )
    callbacks: Callbacks = Field(default=Callbacks(), description="How webhooks are sent.")
    polling: Polling = Field(default=Polling(), description="How polls are sent.")
    notify: Notify = Field(
        default=Notify(), description="What you are told of without asking."
    )
    retention_s: Annotated[float, within("1d")] = Field(
        default=30 * 86_400.0,
        alias="retention",
        description="How long ended subscriptions, deliveries and results are kept; "
        "at least a day, for which repeats are recognised.",
    )
    shutdown_grace_s: Annotated[float, within("0s", "10m")] = Field(
        default=25.0,
        alias="shutdown_grace",
        description="How long work in flight may take to finish after SIGTERM.",
    )
    log: Log = Field(default=Log(), description="What is logged.")
    traces: Traces = Field(default=Traces(), description="Where spans of tasks go.")
    metrics_listen: f.ListenAddress | None = Field(
        default=None,
        description="A second address that serves `/metrics` without a key.",
    )
    dashboard: bool = Field(
        default=True,
        description="Serve the pages at `/dashboard`, for whoever has an API key.",
    )

    @model_validator(mode="after")
    def _one_node(self) -> Self:
        if len(set(self.roles)) < len(f.NodeRole) and not self.shared:
            raise ValueError("roles: an SQLite database has one node, which does it all")
        return self

    @model_validator(mode="after")
    def _provable(self) -> Self:
        if self.notify.url is not None and not self.notice_secrets:
            raise ValueError(
                "notify.signing_secret: needed, as there is no client with role: operator "
                "whose secret would sign notices; `poll-bridge secret new` makes one"
            )
        return self

    @property
    def notice_secrets(self) -> tuple[SecretStr, ...]:
        """What notices to the operator are signed with."""
        operators = (one for one in self.clients.values() if one.role is Role.OPERATOR)
        ours = next((one.signing_secrets for one in operators), ())
        return self.notify.signing_secret or ours

    @property
    def shared(self) -> bool:
        """Whether several nodes may use the database."""
        return not self.database.get_secret_value().startswith("sqlite:")

    def granted(self, client: str) -> frozenset[str]:
        """The providers whose configured keys the client may use."""
        named = self.clients[client].providers
        if named is None:
            return frozenset(self.providers if len(self.clients) == 1 else ())
        return frozenset(named)
