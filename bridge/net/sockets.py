"""Sockets to an address that was vetted at the last moment before."""

import socket
from collections.abc import Callable

from aiohappyeyeballs import AddrInfoType

# After this the kernel gives up what a peer does not take in. Without it, a peer that never
# reads keeps our socket, and all that is left to send, for ever after we closed it.
UNSENT_MS = 30_000
TCP_OPTIONS = tuple(
    (getattr(socket, name), value)
    for name, value in (("TCP_USER_TIMEOUT", UNSENT_MS),)
    if hasattr(socket, name)  # Linux
)


def opener(vet: Callable[[str], None]) -> Callable[[AddrInfoType], socket.socket]:
    """What aiohttp calls for every connection, with the address it is about to use."""

    def opened(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        vet(address[0])
        fresh = socket.socket(family, kind, protocol)
        for option in TCP_OPTIONS:
            fresh.setsockopt(socket.IPPROTO_TCP, *option)
        return fresh

    return opened
