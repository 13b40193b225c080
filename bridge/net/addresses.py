"""Which IP addresses a request from outside may make us talk to: public ones.

Sources: the IANA special-purpose address registries for IPv4 and IPv6, and the RFCs named
beside the entries. Whatever is not known to be public is refused.
"""

from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)

Network = IPv4Network | IPv6Network

INSIDE_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # "this network"; Linux takes 0.0.0.0 for itself
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier NAT; also a cloud's metadata service
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's host agent: looks public, answers only inside
        "169.254.0.0/16",  # link-local, and most metadata services
        "172.16.0.0/12",
        "192.0.0.0/24",  # IETF protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays, withdrawn by RFC 7526
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)

# Outside this nothing is global unicast: that alone refuses ::/8 with the loopback and
# the IPv4-compatible addresses, the discard prefix, segment routing, unique local, link
# and site local, and multicast.
GLOBAL_V6 = IPv6Network("2000::/3")
INSIDE_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # IETF protocol assignments, with Teredo
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: carries any IPv4 address
        "3fff::/20",  # documentation, RFC 9637
    )
)
PUBLIC_V6 = tuple(  # inside 2001::/23, yet global
    IPv6Network(text)
    for text in (
        "2001:1::1/128",
        "2001:1::2/128",
        "2001:3::/32",
        "2001:4:112::/48",
        "2001:20::/28",
    )
)
NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
ISATAP = (0x0000_5EFE, 0x0200_5EFE)  # RFC 5214: upper half of the interface identifier


def forbidden(address: str, allowed: Sequence[Network] = ()) -> bool:
    """Whether we must not connect to `address`, unless it is in one of `allowed`.

    An IPv4-mapped address is judged as the IPv4 address it reaches and as nothing else, so
    that no IPv6 network in `allowed` opens an IPv4 one.

    >>> forbidden("93.184.216.34"), forbidden("169.254.169.254"), forbidden("::1")
    (False, True, True)
    >>> forbidden("::ffff:10.1.2.3", [IPv4Network("10.0.0.0/8")])
    False
    >>> forbidden("example.com")
    True
    """
    if "%" in address:  # a zone names one of our own links
        return True
    try:
        parsed = ip_address(address)
    except ValueError:
        return True
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return _refused(parsed, allowed)


def _refused(address: IPv4Address | IPv6Address, allowed: Sequence[Network]) -> bool:
    if any(address in network for network in allowed):
        return False
    if isinstance(address, IPv4Address):
        return any(address in network for network in INSIDE_V4)
    if address in NAT64:  # the translator sends it on to the IPv4 address it carries
        return _refused(IPv4Address(int(address) & 0xFFFF_FFFF), allowed)
    if address not in GLOBAL_V6 or (int(address) >> 32) & 0xFFFF_FFFF in ISATAP:
        return True
    if any(address in network for network in PUBLIC_V6):
        return False
    return any(address in network for network in INSIDE_V6)
