"""The signing secrets that a command signs or verifies with."""

from bridge.cli.configuration import Flags, file_of, in_development, signing_secrets
from bridge.cli.exits import UsageFault
from bridge.config.fields import listed
from bridge.errors import ConfigError


def secrets_for(given: list[str] | None, flags: Flags, *, dev: bool) -> list[str]:
    """Those given; else those of the configuration, of which there may be none.

    Variables alone may be a caller's (BRIDGE_API_KEY), and then are no configuration.
    """
    if given:
        return several(given)
    try:
        return [secret.value for secret in signing_secrets(flags, dev=dev)]
    except ConfigError:
        if dev or file_of(flags) or in_development(flags):
            raise
        return []


def several(given: list[str]) -> list[str]:
    """Each of them may be a list, as BRIDGE_SIGNING_SECRET may."""
    found: list[str] = []
    for each in given:
        try:
            parts = listed(each)
        except ValueError as error:
            raise UsageFault(f"--secret: {error}") from None
        found += [str(part) for part in parts] if isinstance(parts, list) else []
    if not found:
        raise UsageFault("--secret: is empty")
    return found
