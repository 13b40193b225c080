"""A client with long lists makes itself wait."""

import asyncio
from dataclasses import replace

from bridge.api.listing import LISTS, Listing
from tests.api.test_limits import caller


async def test_a_client_that_asks_for_many_lists_leaves_room_for_the_others() -> None:
    """And finds its own done in the order in which it has asked."""
    listing, shop = Listing(), caller()
    blog, done = replace(shop, name="blog"), list[int]()

    async def look(number: int) -> None:
        async with listing.turn(shop):
            done.append(number)

    async with asyncio.TaskGroup() as group, listing.turn(shop):
        for number in range(3 * LISTS):
            group.create_task(look(number))
        for _ in range(3):
            async with listing.turn(blog):
                await asyncio.sleep(0)
                assert done == []
    assert done == [*range(3 * LISTS)]
