"""The configuration as it is now, and what follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.api.leaving import Leaving
from bridge.config import Config
from bridge.messages.notices import NOBODY
from bridge.providers.provider import Provider


@dataclass(slots=True)
class Current:
    """What SIGHUP replaces. Whoever uses it asks for it each time."""

    config: Config
    providers: Mapping[str, Provider]
    leaving: Leaving = field(default_factory=Leaving)


def signing_secrets(config: Config, client: str) -> list[str]:
    if client == NOBODY:
        return [one.get_secret_value() for one in config.notice_secrets]
    settings = config.clients.get(client)
    return [one.get_secret_value() for one in settings.signing_secrets] if settings else []
