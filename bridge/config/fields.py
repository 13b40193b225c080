"""How one value is read, and what to say when it cannot be.

No message here quotes the value: any of them may be a secret in the wrong place.
"""

import difflib
import ipaddress
import json
import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator

from bridge import duration, rate
from bridge.config.scalar import typed
from bridge.messages import notices
from bridge.net.authorities import trusting

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Retries = Literal["default", "standard"] | tuple[float, ...]

MOST_RETRIES = 100
MOST_CA_BYTES = 4 * 1024 * 1024
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not listened on

_HOST = re.compile(
    r"[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. Port 0: any that is free.

    >>> str(Address("::1", 80)), str(Address("localhost", 8080))
    ('[::1]:80', 'localhost:8080')
    """

    host: str
    port: int

    def __str__(self) -> str:
        return (
            f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        )

    @property
    def url(self) -> str:
        """How this machine itself reaches it.

        >>> Address("0.0.0.0", 80).url, Address("::", 8080).url
        ('http://127.0.0.1:80', 'http://[::1]:8080')
        """
        return f"http://{Address(ANYWHERE.get(self.host, self.host), self.port)}"


def address(given: object) -> Address:
    """
    >>> address("[::1]:80"), address("localhost:8080").port
    (Address(host='::1', port=80), 8080)
    """
    if isinstance(given, Address):
        return given
    host, _, port = str(given).rpartition(":")
    bare = host[1:-1] if host[:1] == "[" and host[-1:] == "]" else host
    if not _is_host(bare.lower()):
        raise ValueError('write it "host:port", like "127.0.0.1:8080" or "[::1]:8080"')
    if ":" in host and bare == host:
        raise ValueError('an IPv6 address goes in brackets, like "[::1]:8080"')
    if not re.fullmatch("[0-9]{1,5}", port, re.ASCII) or int(port) > 65_535:
        raise ValueError("the port must be a number from 1 to 65535")
    return Address(bare, int(port))


def within(least: str, most: str = "3650d") -> PlainValidator:
    """A duration between the two, in seconds."""
    least_s, most_s = duration.seconds(least), duration.seconds(most)

    def read(given: Any) -> float:
        found = _seconds(given)
        if not least_s <= found <= most_s:
            raise ValueError(f"must be between {least} and {most}")
        return found

    return PlainValidator(read)


def _seconds(given: Any) -> float:
    try:
        return duration.seconds(given)
    except ValueError:
        raise ValueError('write a duration like "90s", "2h30m" or "30d"') from None


@dataclass(frozen=True, slots=True)
class Authorities:
    """Certificates in a file, as they were when the configuration was read."""

    path: str
    pem: str = field(repr=False)

    def __str__(self) -> str:
        return self.path


def _authorities(given: object) -> Authorities:
    if isinstance(given, Authorities):
        return given
    path = str(given)
    if not path.isprintable() or len(path) > 255:
        raise ValueError("write the path of a file, not what is in it")
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MOST_CA_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    if len(raw) > MOST_CA_BYTES:
        raise ValueError(f"{path} is larger than 4 MiB")
    pem = raw.decode("ascii", "ignore")  # between certificates there may be names
    try:
        trusting(pem)
    except ValueError as error:
        raise ValueError(f"{path} {error}") from None
    return Authorities(path, pem)


class NodeRole(StrEnum):
    """What a node does."""

    API = "api"
    POLLER = "poller"
    DISPATCHER = "dispatcher"


def listed(given: object) -> object:
    """A list given as one text: JSON, or separated by commas or line ends."""
    if not isinstance(given, str):
        return given
    if given.lstrip().startswith("["):
        try:
            return json.loads(given)
        except (ValueError, RecursionError):
            raise ValueError('not a JSON list; write ["a", "b"] or a,b') from None
    return [part.strip() for part in re.split(r"[,\n]", given) if part.strip()]


def web_url(given: str, *, query: bool) -> str:
    """An http(s) URL without credentials; the fragment has no meaning to a server."""
    try:
        parts = urlsplit(given)
        usable = _is_host(parts.hostname or "") and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.scheme not in ("http", "https") or re.search(r"[^!-~]", given):
        raise ValueError('must be a URL like "https://host/path"')
    if parts.username is not None or parts.password is not None:
        raise ValueError("a URL here holds no user name and password")
    if parts.fragment or "#" in given or (not query and "?" in given):
        raise ValueError("must end before any ? or #")
    return given


def _base_url(given: str) -> str:
    return web_url(str(given), query=False).rstrip("/")


def _host(given: object) -> str:
    host = str(given).strip().lower().rstrip(".")
    bare = host.removeprefix("[").removesuffix("]")
    if _is_ip(bare):
        return bare
    if not _is_host(host):
        raise ValueError('a host name alone, like "n8n": no scheme, port, path or *')
    return host


def _network(given: object) -> Network:
    if isinstance(given, Network):
        return given
    text = str(given).strip()
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError('write a network like "10.0.0.0/8" or "fd00::/8"') from None
    raise ValueError(f"bits are set behind the prefix; did you mean {meant}?")


def _retries(given: Any) -> Retries:
    if given in ("default", "standard"):
        return "standard" if given == "standard" else "default"
    steps = listed(given)
    try:
        if isinstance(steps, list | tuple) and len(steps) <= MOST_RETRIES:
            return tuple(duration.seconds(step) for step in steps)
    except ValueError:
        pass
    raise ValueError(
        f"write default, standard or a list of durations, at most {MOST_RETRIES}: "
        "[5s, 1m, 1h]"
    )


def _rate(given: Any) -> rate.Rate:
    if isinstance(given, rate.Rate):
        return given
    try:
        return rate.rate(given)
    except ValueError:
        raise ValueError('write a rate like "20/s", "600/m" or "5/10s"') from None


def _named(given: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", given, re.ASCII):
        raise ValueError("a name has 1 to 64 letters, digits, - _ or . and begins plainly")
    return given


def _notice(given: str) -> str:
    if given not in notices.TYPES:
        near = difflib.get_close_matches(given[:64], notices.TYPES, n=1)
        known = f"did you mean {near[0]}?" if near else f"known: {', '.join(notices.TYPES)}"
        raise ValueError(f"no such notice; {known}")
    return given


def _is_host(text: str) -> bool:
    return _HOST.fullmatch(text) is not None or _is_ip(text)


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


Listed = BeforeValidator(listed)
Roles = Annotated[tuple[NodeRole, ...], Listed, Field(min_length=1)]
Name = Annotated[str, AfterValidator(_named)]
Names = Annotated[tuple[Name, ...], Listed]
ListenAddress = Annotated[Address, PlainValidator(address)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
Notices = Annotated[tuple[Annotated[str, AfterValidator(_notice)], ...], Listed]
Hosts = Annotated[tuple[Annotated[str, PlainValidator(_host)], ...], Listed]
Networks = Annotated[tuple[Annotated[Network, PlainValidator(_network)], ...], Listed]
Requests = Annotated[rate.Rate, PlainValidator(_rate)]
Schedule = Annotated[Retries, PlainValidator(_retries)]
CaFile = Annotated[Authorities, PlainValidator(_authorities)]
Anything = Annotated[dict[str, Any], BeforeValidator(typed)]
