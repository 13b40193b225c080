"""Sessions of the pages: all there is to know of them is which were ended."""

from bridge.store import signing_out
from bridge.store.rooms.room import Room


class Sessions(Room):
    async def sign_out(self, session: str, until: int, *, now: float) -> None:
        """End a session that would have ended by itself at `until`, for all nodes."""
        await self.database.write(signing_out.sign_out, session, until, now=now)

    async def signed_out(self, session: str, until: int) -> bool:
        return await self.database.read(signing_out.signed_out, session, until)
