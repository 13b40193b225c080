"""PostgreSQL databases as the commands look at them, with nodes at work or without."""

from contextlib import AbstractAsyncContextManager

from bridge.cli.beside import Condition
from bridge.errors import StoreLocked, StoreUnavailable
from bridge.membership import ALIVE_S
from bridge.store import meta
from bridge.store.migrate import check_known, migrations
from bridge.store.postgres.holding import held
from bridge.store.postgres.looking import looking
from bridge.vault import Vault


class Server:
    """See `Beside`."""

    def __init__(self, url: str, name: str) -> None:
        self._url, self.name = url, name

    async def condition(self) -> Condition:
        schema, latest = await self.schema(), len(migrations("postgres"))
        check_known(schema, latest)
        if not schema:
            return Condition.EMPTY
        return Condition.OLD if schema < latest else Condition.CURRENT

    async def schema(self) -> int:
        async with looking(self._url) as look:
            return await look.schema()

    async def in_use(self) -> tuple[set[str], set[str]]:
        async with looking(self._url) as look:
            return await look.read(meta.in_use())

    async def trial(self, vault: Vault) -> tuple[bool, str]:
        async with looking(self._url) as look:
            await look.read(meta.check_opens(vault))
            nodes = await look.nodes(alive_s=ALIVE_S)
            up = f"; {nodes} node{'' if nodes == 1 else 's'} up" if nodes else ""
            return await look.synced(), up

    async def check_free(self) -> None:
        condition = await self.condition()
        if condition is not Condition.CURRENT:  # only then does it tell of nodes
            raise StoreUnavailable(f"{self.name}: {condition}")
        async with looking(self._url) as look:
            nodes = await look.nodes(alive_s=ALIVE_S)
        if nodes:
            raise StoreLocked(
                f"{self.name} is in use; nodes seen in the last {ALIVE_S:.0f} s: {nodes}"
            )

    def alone(self) -> AbstractAsyncContextManager[None]:
        return held(self._url)
