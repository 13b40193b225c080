"""Says where a callback goes, in exactly the form the HTTP client will send, or why not.

A URL that is accepted is written anew from its parts, so that nobody further down can
read it in another way than this module did.
"""

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import quote

from yarl import URL

from bridge.errors import FieldFault, RequestError
from bridge.model import Destination

URL_CHARS = 2048
NAME_CHARS = 253
HEADERS = 20
HEADER_BYTES = 4096
DEFAULT_PORTS = {"http": 80, "https": 443}

AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]+)(:(?P<port>[0-9]{0,5}))?")
NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
# A last label like this makes a host an IPv4 address in every URL parser, in spellings
# (octal, hexadecimal, fewer parts) that not all of them read alike.
NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
ASCII_SYMBOLS = "".join(map(chr, range(0x21, 0x7F)))

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
VISIBLE = re.compile(r"[\t\x20-\x7e]*")
# Set by the bridge, or by HTTP itself.
RESERVED = re.compile(
    r"accept-encoding|connection|content-.*|expect|host|keep-alive|proxy-.*|te|trailer"
    r"|transfer-encoding|upgrade|user-agent|via|webhook-.*|x-signature-256",
    re.IGNORECASE,
)


def destination(
    url: str,
    headers: Mapping[str, str],
    *,
    https_only: bool,
    field: str = "callback_url",
) -> Destination:
    """The callback `url` in canonical form, with the caller's own headers.

    Scheme and host are lower-cased, a default port is left out, characters outside ASCII
    are percent-encoded; path and query are otherwise kept byte for byte. Raises
    RequestError `invalid_request` with every fault; `field` is what the caller calls `url`.

    >>> found = destination("HTTPS://N8N.example:443/a?sig=x%2Fy", {}, https_only=True)
    >>> found.url, found.host
    ('https://n8n.example/a?sig=x%2Fy', 'n8n.example')
    """
    faults = list(header_faults(headers))
    canonical = host = ""
    try:
        canonical, host = _canonical(url, https_only)
    except ValueError as fault:
        faults.insert(0, FieldFault(field, str(fault)))
    if faults:
        raise RequestError("invalid_request", "the callback cannot be used", errors=faults)
    sent = {name: value.strip(" \t") for name, value in headers.items()}
    return Destination(url=canonical, host=host, headers=sent)


def literal_address(host: str) -> str | None:
    """The IP address that `host` is, in its shortest spelling; None if it is a name.

    >>> literal_address("[FD00:0::1]"), literal_address("10.0.0.1"), literal_address("n8n")
    ('fd00::1', '10.0.0.1', None)
    """
    if ":" not in host and not host[-1:].isdigit():
        return None  # most hosts, at a tenth of the cost
    try:
        return str(ip_address(host.removeprefix("[").removesuffix("]")))
    except ValueError:
        return None


def _canonical(url: str, https_only: bool) -> tuple[str, str]:
    """The URL and its host. Raises ValueError with what is wrong and how to mend it."""
    if " " in url or "\\" in url or not url.isprintable():
        raise ValueError(
            "has a space, a backslash or an invisible character in it: remove it, or "
            "percent-encode it if it is meant"
        )
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in DEFAULT_PORTS or (https_only and scheme != "https"):
        wanted = "https://" if https_only else "https:// or http://"
        raise ValueError(f"must be a whole URL that begins with {wanted}")
    if "#" in rest:
        raise ValueError(
            "has a fragment (from # on), which is never sent to a server: remove it, or "
            "write # as %23 if it belongs to the path or the query"
        )
    authority = re.split("[/?]", rest, maxsplit=1)[0]
    host, port = _host_and_port(authority)
    place = f"[{host}]" if ":" in host else host
    if port not in (None, DEFAULT_PORTS[scheme]):
        place = f"{place}:{port}"
    canonical = f"{scheme}://{place}{_target(rest.removeprefix(authority))}"
    if len(canonical) > URL_CHARS:
        raise ValueError(f"is longer than {URL_CHARS} characters")
    return canonical, host


def _host_and_port(authority: str) -> tuple[str, int | None]:
    if "@" in authority:
        raise ValueError(
            "has a user name or password before the host: remove it, and send an "
            "Authorization header by way of `headers` instead"
        )
    parts = AUTHORITY.fullmatch(authority)
    if parts is None:
        raise ValueError("has no host after ://, or a host or port that cannot be read")
    port = int(parts["port"]) if parts["port"] else None
    if port is not None and not 1 <= port <= 65_535:
        raise ValueError("has a port that is not between 1 and 65535")
    return _host(parts["host"]), port


def _host(text: str) -> str:
    if text.startswith("["):
        return _ipv6(text[1:-1])
    try:
        # yarl, because it is what the HTTP client writes and reads names with.
        name = (URL.build(scheme="http", host=text).raw_host or "").removesuffix(".")
    except ValueError:
        name = ""
    if len(name) > NAME_CHARS or not NAME.fullmatch(name):
        raise ValueError("has a host that is neither a name nor an IP address")
    if NUMERIC_LABEL.fullmatch(name.rpartition(".")[2]):
        return _ipv4(name)
    return name


def _ipv4(text: str) -> str:
    try:
        return str(IPv4Address(text))
    except ValueError:
        raise ValueError(
            "has an IP address in an unusual form: write four decimal numbers, "
            "none with a leading zero"
        ) from None


def _ipv6(text: str) -> str:
    try:
        address = IPv6Address(text)
    except ValueError:
        raise ValueError(
            "has something other than an IPv6 address between [ and ]"
        ) from None
    if address.scope_id is not None:
        raise ValueError("has an IPv6 address with a zone (from % on): remove the zone")
    return str(address)


def _target(text: str) -> str:
    """Path and query as they are sent; only what is not ASCII changes."""
    path, _, query = text.partition("?")
    target = f"{path or '/'}?{query}" if query else path or "/"
    return quote(target, safe=ASCII_SYMBOLS)


def header_faults(headers: Mapping[str, str]) -> Iterator[FieldFault]:
    """What is wrong with the caller's own headers."""
    if len(headers) > HEADERS:
        yield FieldFault("headers", f"has {len(headers)} headers; {HEADERS} are allowed")
    size = sum(len(name) + len(value) for name, value in headers.items())
    if size > HEADER_BYTES:
        yield FieldFault("headers", f"has {size} bytes; {HEADER_BYTES} are allowed")
    names = set()
    for name, value in headers.items():
        if not TOKEN.fullmatch(name):
            yield FieldFault(
                "headers", "has a name with a character that header names cannot have"
            )
        elif message := _header_fault(name, value, name.lower() in names):
            yield FieldFault(f"headers.{name}", message)
        names.add(name.lower())


def _header_fault(name: str, value: str, repeated: bool) -> str | None:
    if RESERVED.fullmatch(name):
        return "is set by the bridge or by HTTP itself: leave it out, or use another name"
    if repeated:
        return "is there twice, in different letter cases: leave one out"
    if not VISIBLE.fullmatch(value):
        return (
            "has a character outside printable ASCII; look for a line break at its end, "
            "and percent-encode other letters"
        )
    return None
