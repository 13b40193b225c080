"""Reads the body of an answer without trusting its size.

What counts is what a body unpacks to: some kilobytes of gzip hold gigabytes.
"""

import zlib
from collections.abc import Iterator
from typing import Protocol

import aiohttp

ACCEPT_ENCODING = "gzip, deflate"
PIECE = 65_536  # bytes unpacked in one step
# Packing can make a body a little longer than it is; more than this is no packing.
WIRE_SLACK = 65_536
# The first bytes of every body are outside the budget, so that a few huge answers
# cannot make small ones unreadable.
UNBUDGETED = 65_536


class Unreadable(Exception):
    """The body does not unpack as its Content-Encoding says."""


class ByteBudget:
    """How much memory all bodies being read may take together, beyond their first bytes."""

    def __init__(self, total: int) -> None:
        self._free = total

    @property
    def free(self) -> int:
        return self._free

    def take(self, count: int) -> bool:
        """Whether `count` bytes were free; if so they are taken."""
        if count > self._free:
            return False
        self._free -= count
        return True

    def give_back(self, count: int) -> None:
        self._free += count


class Share:
    """What one reader has taken of a budget."""

    def __init__(self, budget: ByteBudget | None) -> None:
        self._budget, self._held = budget, 0

    def cover(self, size: int) -> bool:
        """Whether a body may grow to `size` bytes."""
        missing = size - UNBUDGETED - self._held
        if self._budget is None or missing <= 0:
            return True
        if not self._budget.take(missing):
            return False
        self._held += missing
        return True

    def give_back(self) -> None:
        if self._budget is not None:
            self._budget.give_back(self._held)


async def read_capped(
    response: aiohttp.ClientResponse, limit: int, budget: ByteBudget | None = None
) -> tuple[bytes, bool]:
    """The body, unpacked, and whether it is too large: for `limit`, or for the budget now.

    Of a body that is too large nothing is kept. The budget is given back on return: the
    caller is expected to be done with the body before it reads another. Raises Unreadable
    and what aiohttp raises.
    """
    if response.content_length is not None and response.content_length > limit + WIRE_SLACK:
        return b"", True
    kept = bytearray()
    too_large = await read_into(kept, response, limit, budget)
    return (b"", True) if too_large else (bytes(kept), False)


async def read_into(
    kept: bytearray,
    response: aiohttp.ClientResponse,
    limit: int,
    budget: ByteBudget | None = None,
) -> bool:
    """Append at most `limit` bytes of the unpacked body to `kept`; True if there is more.

    When it raises (Unreadable, or what aiohttp raises), `kept` holds what came before.
    """
    unpack = _unpacker(response.headers.get("Content-Encoding", ""))
    share, received = Share(budget), 0
    try:
        while chunk := await response.content.readany():
            received += len(chunk)
            for piece in unpack.pieces(chunk):
                room = limit - len(kept)
                if len(piece) > room:
                    kept += piece[:room]
                    return True
                if not share.cover(len(kept) + len(piece)):
                    return True
                kept += piece
            if received > limit + WIRE_SLACK:
                return True
        unpack.finish()
        return False
    finally:
        share.give_back()


class Unpacker(Protocol):
    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """What `chunk` unpacks to, never much more than PIECE bytes at a time."""

    def finish(self) -> None:
        """Raise Unreadable if the packed body is not complete."""


def _unpacker(content_encoding: str) -> Unpacker:
    match content_encoding.strip().lower():
        case "gzip" | "x-gzip":
            return Inflater(16 + zlib.MAX_WBITS)
        case "deflate":
            return Inflater(None)
    # Nothing else was asked for. If it comes all the same, its bytes are left as they are.
    return Plain()


class Plain:
    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        yield chunk

    def finish(self) -> None:
        """A plain body has no end of its own."""


class Inflater:
    """`wbits` as in zlib; None: the first byte shows whether zlib's header is there."""

    def __init__(self, wbits: int | None) -> None:
        self._wbits = wbits
        self._zlib: zlib._Decompress | None = None

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        if self._zlib is None:
            self._zlib = zlib.decompressobj(self._wbits or _deflate_wbits(chunk[0]))
        try:
            # What follows the end of the packed body is ignored.
            while not self._zlib.eof and (piece := self._zlib.decompress(chunk, PIECE)):
                yield piece
                chunk = self._zlib.unconsumed_tail
        except zlib.error as error:
            raise Unreadable(str(error)) from error

    def finish(self) -> None:
        if self._zlib is not None and not self._zlib.eof:
            raise Unreadable("the packed body is not complete")


def _deflate_wbits(first: int) -> int:
    """RFC 9110 means zlib's format; some servers send it without zlib's header."""
    return zlib.MAX_WBITS if first & 0x0F == zlib.DEFLATED else -zlib.MAX_WBITS
