"""What the demo does: its tasks, what must become of each, and how the bridge is set up."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from bridge.model import Outcome
from bridge.simulator.script import NEVER_FOUND, magic
from bridge.simulator.words import Dialect

CLIENT = "demo"
RETRIES = ("1s", "1s", "2s", "2s", "3s")
DEAD = "/dead"

# Each provider speaks as its document says; `newapi` as the gateway's code really does.
DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        "mixroute": Dialect.FLAT_SUCCEEDED,
        "xiexus": Dialect.FLAT_COMPLETED,
        "amux": Dialect.FLAT_COMPLETED,
        "rong": Dialect.ARK,
        "newapi": Dialect.ENVELOPE,
    }
)

_TASKS = """
    mixroute  succeed-2s   /ok          succeeded
    mixroute  succeed-4s   /flaky/2     succeeded
    mixroute  fail-3s      /ok          failed
    mixroute  no-url-3s    /ok          succeeded
    mixroute  rubbish-4s   /ok          succeeded
    xiexus    succeed-3s   /ok          succeeded   flat
    xiexus    succeed-2s   /n8n/101     succeeded
    xiexus    fail-4s      /flaky/1     failed
    xiexus    throttle-2s  /ok          succeeded
    xiexus    rubbish-3s   /ok          succeeded
    amux      succeed-2s   /dead        succeeded
    amux      succeed-5s   /ok          succeeded
    amux      fail-2s      /ok          failed
    amux      vanish-2s    /ok          unreachable
    amux      rubbish-4s   /n8n/102     succeeded
    rong      succeed-3s   /ok          succeeded
    rong      succeed-5s   /throttle/1  succeeded
    rong      fail-4s      /ok          failed
    rong      expire-3s    /ok          expired
    rong      cancel-4s    /flaky/1     cancelled
    newapi    succeed-3s   /ok          succeeded
    newapi    succeed-4s   /lost/1      succeeded
    newapi    fail-3s      /ok          failed
    newapi    missing      /ok          unreachable
    newapi    rubbish-4s   /ok          succeeded
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTask:
    """One task, who is to be told of it, and what."""

    provider: str
    task_id: str
    receiver: str  # the path of a simulated receiver
    outcome: Outcome
    format: str = "standard"

    @property
    def name(self) -> str:
        return f"{self.provider}/{self.task_id}"

    @property
    def told(self) -> str:
        """Who is told, and how, in the words of the board."""
        plain = self.format == "standard"
        return self.receiver if plain else f"{self.receiver}, {self.format}"

    @property
    def dead(self) -> bool:
        """Its receiver never accepts: the delivery must end as exhausted."""
        return self.receiver == DEAD

    @property
    def prompt(self) -> bool:
        """Its receiver accepts at once, so the time to it is the bridge's alone."""
        return self.receiver == "/ok"

    @property
    def steady(self) -> bool:
        """Its provider answers properly throughout, and says the end itself."""
        return self.task_id.startswith(("succeed", "fail", "expire", "cancel"))

    @property
    def settled_s(self) -> float:
        """From the first poll to the end."""
        return (magic(self.task_id) or NEVER_FOUND).settled_s

    def callback_url(self, receivers_url: str) -> str:
        """Receivers that refuse go by another host name, as they do in life: what the
        bridge does about them must not slow the others."""
        url = receivers_url + self.receiver
        return url if self.prompt else url.replace("127.0.0.1", "localhost")


def tasks(written: str = _TASKS) -> tuple[PlannedTask, ...]:
    """One task for each line: provider, magic id, receiver, outcome, format if it has one.

    >>> [task] = tasks("amux fail-2s /ok failed")
    >>> task.name, task.settled_s
    ('amux/fail-2s-n1', 2.0)
    """
    lines = [line.split() for line in written.strip().splitlines()]
    return tuple(
        PlannedTask(
            provider=provider,
            task_id=f"{word}-n{number}",
            receiver=receiver,
            outcome=Outcome(outcome),
            format=more[0] if more else "standard",
        )
        for number, (provider, word, receiver, outcome, *more) in enumerate(lines, 1)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Where a simulated provider is, and the key it wants."""

    base_url: str
    key: str


def configuration(
    *,
    port: int,
    database: str,
    encryption_key: str,
    api_key: str,
    signing_secret: str,
    upstreams: Mapping[str, Upstream],
) -> dict[str, Any]:
    """The configuration of the demo's bridge: as in production, only quicker."""
    return {
        "listen": f"127.0.0.1:{port}",
        "database": f"sqlite:///{database}",
        "encryption_keys": [encryption_key],
        "clients": {CLIENT: {"api_keys": [api_key], "signing_secrets": [signing_secret]}},
        "providers": {name: _provider(name, upstreams[name]) for name in upstreams},
        "callbacks": {
            "timeout": "5s",
            "retries": list(RETRIES),
            "allow_hosts": ["localhost"],
            "allow_networks": ["127.0.0.0/8", "::1/128"],
        },
    }


def _provider(name: str, upstream: Upstream) -> dict[str, Any]:
    return {
        "preset": name,
        "base_url": upstream.base_url,
        "api_key": upstream.key,
        "poll": {"interval": "500ms", "first": "300ms", "min": "200ms", "max": "1s"},
        # A real gateway looks only every 15 s, and may need a minute to know a new id.
        "page": {"refresh": "200ms", "not_found_grace": "500ms", "expected": "3s"},
    }
