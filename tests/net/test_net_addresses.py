"""Only public addresses may be reached, however they are dressed up."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bridge.net.addresses import GLOBAL_V6, NAT64, PUBLIC_V6, Network, forbidden

v4 = st.integers(0, 2**32 - 1).map(IPv4Address)
v6 = st.integers(0, 2**128 - 1).map(IPv6Address)
global_v6 = st.integers(0, 2**125 - 1).map(lambda n: IPv6Address(int(GLOBAL_V6[0]) + n))
inside_v4 = st.sampled_from(
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.100.100.200",
        "127.0.0.1",
        "169.254.169.254",
        "192.168.1.1",
    ]
).map(IPv4Address)
EVERYTHING_V6 = IPv6Network("::/0")


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.255.255.255",
        "100.64.0.1",
        "100.100.100.200",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::1",
        "64:ff9b:0:1::1",
        "100::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:2::1",
        "2001:10::1",
        "2001:db8::1",
        "2002:5db8:d822::1",
        "2001:470::5efe:10.0.0.1",
        "2001:470::200:5efe:93.184.216.34",
        "3fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ],
)
def test_what_is_not_public_is_refused(address: str) -> None:
    """
    One address of each kind that leads inside, nowhere, or to many.
    """
    assert forbidden(address)


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "93.184.216.34",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.255.255",
        "172.32.0.1",
        "192.0.1.1",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00:1450::1",
        "2001:200::1",
        "2001:3::1",
        "2001:4:112::1",
        "2001:1::1",
        "64:ff9b::1.1.1.1",
        "::ffff:1.1.1.1",
    ],
)
def test_what_is_public_is_permitted(address: str) -> None:
    """
    Right beside the refused ranges real receivers live.
    """
    assert not forbidden(address)


@given(v4)
def test_nothing_is_permitted_that_the_registry_does_not_call_global(
    address: IPv4Address,
) -> None:
    """
    The standard library keeps its own copy of the registry.
    """
    if not forbidden(str(address)):
        assert address.is_global
        assert not address.is_multicast


@given(st.one_of(v6, global_v6))
def test_no_ipv6_address_is_permitted_that_is_not_global_unicast(
    address: IPv6Address,
) -> None:
    """
    The same for IPv6, where everything unknown is refused.
    """
    assume(not any(address in network for network in (NAT64, *PUBLIC_V6)))
    if not forbidden(str(address)) and address.ipv4_mapped is None:
        assert address in GLOBAL_V6
        assert address.is_global


@given(v4)
def test_an_embedding_that_reaches_the_ipv4_address_has_its_verdict(
    address: IPv4Address,
) -> None:
    """
    Mapped addresses go to the IPv4 host itself; NAT64 networks must still reach the world.
    """
    verdict = forbidden(str(address))
    assert forbidden(f"::ffff:{address}") == verdict
    assert forbidden(f"64:ff9b::{address}") == verdict


EMBEDDINGS: list[Callable[[IPv4Address], IPv6Address]] = [
    lambda inner: IPv6Address(int(inner)),  # IPv4-compatible
    lambda inner: IPv6Address(f"::ffff:0:{inner}"),  # translated
    lambda inner: IPv6Address(f"64:ff9b:1::{inner}"),  # local NAT64
    lambda inner: IPv6Address((0x2002 << 112) | (int(inner) << 80) | 1),  # 6to4
    lambda inner: IPv6Address((0x2001 << 112) | (int(inner) ^ 0xFFFFFFFF)),  # Teredo
    lambda inner: IPv6Address((0x2001 << 112) | (int(inner) << 64)),  # Teredo's server
    lambda inner: IPv6Address(f"2a00:1450::5efe:{inner}"),  # ISATAP
    lambda inner: IPv6Address(f"fe80::200:5efe:{inner}"),
]


@given(v4, st.sampled_from(EMBEDDINGS))
def test_every_other_embedding_is_refused(
    address: IPv4Address, embed: Callable[[IPv4Address], IPv6Address]
) -> None:
    """
    Tunnels end where we cannot see; nothing public needs them.
    """
    assert forbidden(str(embed(address)))


@given(st.one_of(v4, v6), st.integers(0, 32))
def test_a_listed_network_opens_itself(
    address: IPv4Address | IPv6Address, cut: int
) -> None:
    """
    The operator's word wins.
    """
    assume(not isinstance(address, IPv6Address) or address.ipv4_mapped is None)
    size = address.max_prefixlen
    network: Network
    if isinstance(address, IPv4Address):
        network = IPv4Network((address, size - cut), strict=False)
    else:
        network = IPv6Network((address, size - cut), strict=False)
    assert not forbidden(str(address), [network])


@given(st.one_of(v4, v6), v4)
def test_a_listed_address_opens_no_other(
    address: IPv4Address | IPv6Address, listed: IPv4Address
) -> None:
    """
    A list changes nothing for the addresses outside it.
    """
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    assume(listed not in (address, mapped) and address not in NAT64)
    assert forbidden(str(address), [IPv4Network(listed)]) == forbidden(str(address))


@given(inside_v4)
def test_a_listed_ipv4_network_opens_the_ways_that_reach_it(inner: IPv4Address) -> None:
    """
    A dual-stack host may be told of its neighbour in either form, but a tunnel to it stays
    shut.
    """
    listed = [IPv4Network(inner)]
    assert not forbidden(f"::ffff:{inner}", listed)
    assert not forbidden(f"64:ff9b::{inner}", listed)
    for embed in EMBEDDINGS:
        assert forbidden(str(embed(inner)), listed)


@given(inside_v4)
def test_no_ipv6_network_opens_an_ipv4_address(inner: IPv4Address) -> None:
    """
    An operator who lists all of IPv6 has not listed the IPv4 loopback, and a mapped address
    goes there.
    """
    listed = [EVERYTHING_V6, IPv6Network("::ffff:0:0/96")]
    assert forbidden(str(inner), listed)
    assert forbidden(f"::ffff:{inner}", listed)


@given(st.one_of(v4, v6))
def test_the_spelling_of_an_address_does_not_matter(
    address: IPv4Address | IPv6Address,
) -> None:
    """
    Long, short, upper or lower case: one address, one verdict.
    """
    verdict = forbidden(str(address))
    assert forbidden(address.exploded.upper()) == verdict


@given(st.one_of(st.text(), st.text(alphabet="0123456789.:abcdefxABCDEFX%[]/ ")))
def test_what_cannot_be_read_is_refused_and_never_raises(text: str) -> None:
    """
    What we cannot read, another parser might read as something inside.
    """
    try:
        ip_address(text)
    except ValueError:
        assert forbidden(text, [IPv4Network("0.0.0.0/0"), EVERYTHING_V6])
    else:
        forbidden(text)


@pytest.mark.parametrize(
    "text", ["127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "010.8.8.8", "8.8.8.8 ", ""]
)
def test_old_spellings_of_ipv4_are_refused(text: str) -> None:
    """
    The socket library reads them as addresses; we do not guess which.
    """
    assert forbidden(text, [IPv4Network("0.0.0.0/0")])


@pytest.mark.parametrize("address", ["fe80::1%eth0", "2606:4700::1111%1", "::1%25lo"])
def test_an_address_with_a_zone_is_refused_even_if_listed(address: str) -> None:
    """
    A zone chooses one of our network cards, which is nobody else's business.
    """
    assert forbidden(address, [EVERYTHING_V6])
