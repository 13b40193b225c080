"""`retry`: one attempt more, by a running bridge."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from bridge.cli.exits import UsageFault
from bridge.cli.options import ApiKey, Json, Url
from bridge.cli.output import as_json, facts, note, plain, program, say, say_facts


def retry(
    id_: Annotated[
        str,
        typer.Argument(
            metavar="MSG_ID", help="msg_…, as `show` tells it of a subscription."
        ),
    ],
    url: Url = None,
    api_key: ApiKey = None,
    json: Json = False,
) -> None:
    """Send a webhook once more, now.

    Its schedule goes on as if that had not been.
    """
    import asyncio

    if not id_.startswith("msg_"):
        raise UsageFault("give the id of a delivery, msg_…; `show` tells it")
    delivery = asyncio.run(retried(url, api_key, id_))
    if json:
        say(as_json(delivery))
        return
    say_facts(facts(delivery))
    note(f"to see it: {program()} show {plain(delivery['id'])}")


async def retried(url: str | None, api_key: str | None, id_: str) -> dict[str, Any]:
    """The delivery as it is before the attempt that was asked for."""
    from bridge.cli.reaching import reached
    from bridge.cli.subscriptions import holding

    async with reached(url, api_key) as api:
        answer = await api.post(f"/deliveries/{quote(id_, safe='')}/retry", {})
    return holding("id", answer.body)
