"""Where the running bridge is, and with which API key it is asked."""

import os
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from bridge.cli.configuration import listening
from bridge.cli.exits import UsageFault
from bridge.client.connection import Connection
from bridge.config.fields import listed, web_url
from bridge.config.interpolation import content
from bridge.config.loading import is_there
from bridge.development import FILE as DEV_FILE
from bridge.development import kept

KEY_FILE = "BRIDGE_API_KEY_FILE"


def reached(
    url: str | None, api_key: str | None, *, retry_for_s: float = 0.0
) -> Connection:
    """The bridge that is meant, with the key to it. Raises UsageFault, ConfigError."""
    place = url_given(url) if url else listening({})
    key = first_of(api_key) if api_key else key_for(place)
    return Connection(place, key, retry_for_s=retry_for_s, agent="cli")


def url_given(url: str) -> str:
    try:
        return web_url(url, query=False)
    except ValueError as error:
        raise UsageFault(f"--url or BRIDGE_URL: {error}") from None


def key_for(url: str) -> str:
    """The key when none was given. That of `serve --dev` never leaves this machine."""
    if named := os.environ.get(KEY_FILE):
        try:
            return first_of(content(Path(named)))
        except ValueError as error:
            raise UsageFault(f"{KEY_FILE}: {error}") from None
    if loopback(url) and is_there(Path.cwd() / DEV_FILE):
        return kept(Path.cwd()).api_key
    raise UsageFault(
        "no API key: give --api-key, or set BRIDGE_API_KEY",
        "It is one of a client's `api_keys`. Of `serve --dev` it is found by itself in the "
        "directory where that runs.",
    )


def first_of(keys: str) -> str:
    """BRIDGE_API_KEY may be a list, newest first.

    >>> first_of("new-key,old-key"), first_of('["new-key"]')
    ('new-key', 'new-key')
    """
    try:
        found = listed(keys)
    except ValueError as error:
        raise UsageFault(f"BRIDGE_API_KEY: {error}") from None
    key = str(found[0]) if isinstance(found, list) and found else ""
    if not key or not key.isascii() or not key.isprintable():
        raise UsageFault("the API key is empty, or has characters that no key has")
    return key


def loopback(url: str) -> bool:
    """
    >>> loopback("http://127.0.0.1:8080"), loopback("http://bridge.example.com")
    (True, False)
    """
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
