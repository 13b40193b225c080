"""SIGHUP, sent to the real process."""

import json
import signal
from pathlib import Path
from typing import Any

from bridge.simulator.provider import ProviderSimulator
from bridge.simulator.receiver import ReceiverSimulator
from tests.promises.conftest import provider, receiver
from tests.promises.node import KEYS, Node, settings

__all__ = ["provider", "receiver"]


def rewrite(node: Node, **changes: Any) -> None:
    """Change the file and tell the process."""
    config = json.loads(node.config.read_text()) | changes
    node.config.write_text(json.dumps(config))
    node.send(signal.SIGHUP)


async def test_a_reload_takes_over_clients_and_providers(
    tmp_path: Path, provider: ProviderSimulator
) -> None:
    """Keys are changed, added and taken away without a gap, but only of who is idle."""
    async with Node(tmp_path, settings(provider.url)) as node:
        await node.start()
        clients = json.loads(node.config.read_text())["clients"]
        new_key = "another-key-of-the-shop-01"
        rewrite(
            node,
            clients={
                "shop": clients["shop"] | {"api_keys": [new_key]},
                "operator": clients["operator"],
            },
        )
        await node.told("config.reloaded")
        answers = [
            await node.call("GET", "/subscriptions", key=key)
            for key in (new_key, KEYS["shop"], KEYS["blog"])
        ]
        assert [answer.status for answer in answers] == [200, 401, 401]


async def test_a_reload_that_would_leave_work_behind_changes_nothing(
    tmp_path: Path, provider: ProviderSimulator, receiver: ReceiverSimulator
) -> None:
    """Nobody would be left to sign the webhook."""
    async with Node(tmp_path, settings(provider.url)) as node:
        await node.start()
        await node.promised("task1", f"{receiver.url}/ok")
        clients = json.loads(node.config.read_text())["clients"]
        rewrite(node, clients={"operator": clients["operator"]})
        await node.told("config.refused")
        assert any("clients.shop: has work in flight" in line for line in node.log)
        assert (await node.call("GET", "/subscriptions", key=KEYS["shop"])).status == 200
