"""A body is read as far as it is wanted, whatever it says about itself."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.net.body import (
    PIECE,
    UNBUDGETED,
    WIRE_SLACK,
    ByteBudget,
    Inflater,
    Unreadable,
    read_capped,
    read_into,
)
from tests.net.hostile import Talk, endless, hang, raw_server, reset, says, way_out

MIB = 1 << 20


def head(encoding: str = "", length: int | None = None) -> bytes:
    lines = ["HTTP/1.1 200 OK"]
    lines += [f"Content-Encoding: {encoding}"] if encoding else []
    lines += ["Connection: close" if length is None else f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode()


def whole(body: bytes, encoding: str = "") -> Talk:
    return says(head(encoding, len(body)) + body)


@asynccontextmanager
async def answer_of(talk: Talk) -> AsyncIterator[aiohttp.ClientResponse]:
    async with raw_server(talk) as (port, _), way_out() as egress, asyncio.timeout(15):
        response = await egress.request(
            "GET", f"http://127.0.0.1:{port}/", headers={}, body=None, timeout_s=5
        )
        try:
            yield response
        finally:
            response.close()


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("packed", "encoding"),
    [
        (b"hello", ""),
        (b"hello", "identity"),
        (gzip.compress(b"hello", mtime=0), "gzip"),
        (gzip.compress(b"hello", mtime=0), " X-GZIP "),
        (zlib.compress(b"hello"), "deflate"),
        (raw_deflate(b"hello"), "deflate"),
        (gzip.compress(b"hello", mtime=0) + b"left over", "gzip"),
    ],
)
async def test_a_body_is_unpacked(packed: bytes, encoding: str) -> None:
    """
    Many servers pack their answers, in one of these ways.
    """
    async with answer_of(whole(packed, encoding)) as response:
        assert await read_capped(response, 100) == (b"hello", False)


@pytest.mark.parametrize("encoding", ["", "gzip", "deflate"])
async def test_an_empty_body_is_empty_whatever_its_encoding(encoding: str) -> None:
    """
    An answer without a body often keeps the header.
    """
    async with answer_of(whole(b"", encoding)) as response:
        assert await read_capped(response, 100) == (b"", False)


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "nonsense"])
async def test_an_encoding_that_was_not_asked_for_is_left_alone(encoding: str) -> None:
    """
    The bytes are kept as they are, bounded as all others.
    """
    async with answer_of(whole(b"\x01packed", encoding)) as response:
        assert await read_capped(response, 100) == (b"\x01packed", False)


@pytest.mark.parametrize(
    ("packed", "encoding"),
    [
        (b"not packed", "gzip"),
        (b"\xff\xff", "deflate"),
        (gzip.compress(b"hello" * 100, mtime=0)[:-9], "gzip"),
        (zlib.compress(b"hello")[:-1], "deflate"),
        (gzip.compress(b"hello", mtime=0)[:-4] + b"\0\0\0\0", "gzip"),
    ],
)
async def test_a_body_that_does_not_unpack_is_unreadable(
    packed: bytes, encoding: str
) -> None:
    """
    Half a body must not be taken for a whole one.
    """
    async with answer_of(whole(packed, encoding)) as response:
        with pytest.raises(Unreadable):
            await read_capped(response, 10_000)


@pytest.mark.parametrize("encoding", ["", "gzip"])
async def test_the_limit_is_exact_and_counts_what_is_unpacked(encoding: str) -> None:
    """
    One byte decides.
    """
    body = b"x" * 1000
    packed = gzip.compress(body) if encoding else body
    async with answer_of(whole(packed, encoding)) as response:
        assert await read_capped(response, 1000) == (body, False)
    async with answer_of(whole(packed, encoding)) as response:
        assert await read_capped(response, 999) == (b"", True)


async def test_a_length_that_is_too_large_is_believed_without_reading() -> None:
    """
    The server says so itself.
    """
    limit = 1000
    announced = says(head(length=limit + WIRE_SLACK + 1), hang)
    async with answer_of(announced) as response:
        assert await read_capped(response, limit) == (b"", True)


async def test_a_bomb_is_defused() -> None:
    """
    A gigabyte in a megabyte: not more of it is unpacked than was asked for.
    """
    bomb = gzip.compress(bytes(64 * MIB), compresslevel=1)
    async with answer_of(whole(bomb, "gzip")) as response:
        kept = bytearray()
        assert await read_into(kept, response, MIB) is True
        assert len(kept) == MIB


async def test_an_endless_body_ends() -> None:
    """
    Nobody can make us listen for ever.
    """
    async with answer_of(says(head(), endless(b"x" * 1000))) as response:
        kept = bytearray()
        assert await read_into(kept, response, 100_000) is True
        assert kept == b"x" * 100_000


async def test_an_endless_packed_body_that_unpacks_to_nothing_ends() -> None:
    """
    Empty blocks cost the sender five bytes each and are never too large unpacked.
    """
    start = zlib.compressobj(wbits=31).flush(zlib.Z_FULL_FLUSH)
    empty_blocks = b"\0\0\0\xff\xff" * 1000
    async with answer_of(says(head("gzip") + start, endless(empty_blocks))) as response:
        assert await read_capped(response, 1000) == (b"", True)


async def test_what_came_before_the_break_is_kept() -> None:
    """
    The first bytes of an answer tell people what happened, even if the rest never came.
    """
    kept = bytearray()
    async with answer_of(says(head(length=100) + b"half", reset)) as response:
        with pytest.raises((aiohttp.ClientError, OSError)):
            await read_into(kept, response, 1000)
    assert kept == b"half"


async def test_a_budget_bounds_all_large_bodies_together() -> None:
    """
    One is read; the next finds nothing left; what was taken is given back each time.
    """
    budget = ByteBudget(MIB)
    fits = b"x" * (MIB + UNBUDGETED)
    async with answer_of(whole(fits)) as response:
        assert await read_capped(response, 4 * MIB, budget) == (fits, False)
    async with answer_of(whole(fits + b"x")) as response:
        assert await read_capped(response, 4 * MIB, budget) == (b"", True)
    assert budget.free == MIB


async def test_small_bodies_are_read_when_the_budget_is_gone() -> None:
    """
    A few huge answers must not make everybody else's unreadable.
    """
    budget = ByteBudget(0)
    body = b"x" * UNBUDGETED
    async with answer_of(whole(body)) as response:
        assert await read_capped(response, MIB, budget) == (body, False)


async def test_the_budget_is_given_back_when_reading_fails() -> None:
    """
    Else it would leak away, one broken connection at a time.
    """
    budget = ByteBudget(MIB)
    large = b"x" * (2 * UNBUDGETED)
    async with answer_of(says(head(length=MIB) + large, reset)) as response:
        with pytest.raises((aiohttp.ClientError, OSError)):
            await read_capped(response, MIB, budget)
    assert budget.free == MIB


def test_a_budget_gives_only_what_it_has() -> None:
    """
    All or nothing: a reader that got half of what it needs would wait for the rest.
    """
    budget = ByteBudget(10)
    assert budget.take(10)
    assert not budget.take(1)
    budget.give_back(4)
    assert not budget.take(5)
    assert budget.take(4)


@given(st.binary(max_size=5000), st.integers(1, 700), st.sampled_from([31, 15, -15]))
def test_unpacking_in_any_pieces_gives_the_whole(
    body: bytes, size: int, wbits: int
) -> None:
    """
    The network cuts where it likes.
    """
    packer = zlib.compressobj(wbits=wbits)
    packed = packer.compress(body) + packer.flush()
    inflater = Inflater(31 if wbits == 31 else None)
    chunks = [packed[at : at + size] for at in range(0, len(packed), size)]
    pieces = [piece for chunk in chunks for piece in inflater.pieces(chunk)]
    inflater.finish()
    assert b"".join(pieces) == body


def test_no_piece_is_larger_than_it_may_be() -> None:
    """
    This is what bounds the memory of one reader.
    """
    inflater = Inflater(31)
    pieces = list(inflater.pieces(gzip.compress(bytes(10 * PIECE))))
    assert max(map(len, pieces)) <= PIECE
    assert sum(map(len, pieces)) == 10 * PIECE
