"""Which configuration a command works with, and what it takes from it."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from bridge.cli.exits import UsageFault
from bridge.config import SANDBOX, Address, Config, Provider, built_in, load
from bridge.config.agreement import Disagreement
from bridge.config.document import read
from bridge.config.environment import from_environ, from_flags
from bridge.config.fields import address
from bridge.config.loading import FILE, SYSTEM_FILE, is_there
from bridge.config.tree import Tree
from bridge.development import FILE as DEV_FILE
from bridge.development import development, kept
from bridge.errors import ConfigError
from bridge.providers.catalogue import PageError
from bridge.providers.configured import provider_of

SERVED_HERE = "http://127.0.0.1"  # stands for the sandbox's address, known once it listens

Flags = Mapping[str, object]


class Secret(NamedTuple):
    """A signing secret, and whose it is."""

    owner: str
    value: str
    api_key: str  # the newest of its owner


def loaded(flags: Flags, *, dev: bool) -> Config:
    """What `serve` runs with. Raises ConfigError with every fault, those of pages too."""
    make = development if dev else load
    return make(flags, os.environ, Path.cwd(), pages=page_faults)


def found(flags: Flags, *, dev: bool) -> Config:
    """What a command beside `serve` works with: if nothing is configured, but `serve --dev`
    has run in this directory, what that runs with. Raises ConfigError.
    """
    return loaded(flags, dev=dev or in_development(flags))


def in_development(flags: Flags) -> bool:
    """Whether `serve --dev` has run here, and nothing else is configured.

    Variables without an encryption key are no configuration: who calls a bridge may have
    set BRIDGE_API_KEY.
    """
    if file_of(flags) or "encryption_keys" in variables().values:
        return False
    return is_there(Path.cwd() / DEV_FILE)


def anything_given(flags: Flags) -> bool:
    """Whether there is a configuration file or a variable, good or bad."""
    given = set(variables().origins.values()) - {"PORT"}
    return bool(file_of(flags) or given or variables().faults)


def variables() -> Tree:
    return from_environ(os.environ, Tree(), built_in())


def file_of(flags: Flags) -> Path | None:
    """Raises ConfigError if nobody can tell."""
    named = flags.get("config") or os.environ.get("BRIDGE_CONFIG")
    if named:
        return Path.cwd() / str(named)
    places = (Path.cwd() / FILE, SYSTEM_FILE)
    return next((path for path in places if is_there(path)), None)


def page_faults(providers: Mapping[str, Provider]) -> Iterator[Disagreement]:
    """What is wrong with the pages of the providers that are switched on."""
    served = {SANDBOX: SERVED_HERE}.get
    for name, settings in providers.items():
        if not settings.enabled:
            continue
        try:
            provider_of(name, settings, served)
        except PageError as error:
            for path, what in error.faults_at:
                yield ("providers", name, "page", *path), what
        except ConfigError as error:
            for what in error.faults:
                yield ("providers", name), what


def listening(flags: Flags) -> str:
    """The URL a bridge started here is reached at from this machine.

    Nothing but the address needs to be right: a health check must not fail because
    somebody is editing the file of a bridge that runs.
    """
    path = file_of(flags)
    below = read(path, os.environ, shown=str(path)) if path else Tree()
    tree = from_flags(flags).over(from_environ(os.environ, below, built_in()).over(below))
    given = tree.values.get("listen")
    if given is None:
        return Address("127.0.0.1", 8080).url
    try:
        return address(given).url
    except ValueError as error:
        raise UsageFault(f"{tree.origin(('listen',))}: listen: {error}") from None


def signing_secrets(flags: Flags, *, dev: bool) -> list[Secret]:
    """Those of every client. Raises ConfigError, also if `serve --dev` has yet to run."""
    if dev:
        kept(Path.cwd())
    return [
        Secret(name, secret.get_secret_value(), client.api_keys[0].get_secret_value())
        for name, client in found(flags, dev=dev).clients.items()
        for secret in client.signing_secrets
    ]
