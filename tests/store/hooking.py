"""Standing hooks, by the short way."""

from typing import Any

import orjson

from bridge.errors import RequestError
from bridge.model import ClaimedDelivery, HookWish
from bridge.store.hooks import Added
from tests.store.scene import Scene, destination

FULL = RequestError("limit_hooks", "no more")
SECRET = "whsec_aG9vay1zZWNyZXQtb2YtbW9yZS10aGFuLTI0LWJ5dGVz"
ENDED, UPDATED = "task.ended", "task.updated"


def hook_wish(path: str = "standing", **changes: Any) -> HookWish:
    """Equal arguments make an identical request."""
    given: dict[str, Any] = {
        "client": "shop",
        "destination": destination(path, host="tool.test"),
        "signing_secrets": (SECRET,),
    } | changes
    spelt = {**given, "destination": given["destination"].url}
    return HookWish(**given, canonical=repr(sorted(spelt.items())).encode())


async def add_hook(scene: Scene, path: str = "standing", **changes: Any) -> Added:
    most = changes.pop("most", 100)
    wish = hook_wish(path, **changes)
    return await scene.store.add_hook(wish, now=scene.now, most=most, full=FULL)


async def hooked(scene: Scene, path: str = "standing", **changes: Any) -> str:
    """A new hook's key."""
    added = await add_hook(scene, path, **changes)
    assert added.created
    return added.hook.id.removeprefix("hook_")


async def remove(scene: Scene, key: str, client: str | None = "shop") -> bool:
    return await scene.store.remove_hook(key, client, now=scene.now)


def said(claimed: ClaimedDelivery) -> Any:
    return orjson.loads(claimed.body)
