"""`subscribe`: asks a running bridge to tell of a task."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from bridge.cli import completing
from bridge.cli.asking import holding, present
from bridge.cli.calling import (
    Auth,
    Event,
    Format,
    Header,
    Method,
    RobotKeyword,
    RobotSecret,
    way,
)
from bridge.cli.exits import CommandFailed, UsageFault, exit_code
from bridge.cli.options import ApiKey, Json, Params, Url, Wait, json_of, pairs
from bridge.cli.output import as_json, facts, note, plain, program, say, say_facts
from bridge.cli.progress import working
from bridge.cli.reading import sendable
from bridge.cli.subscriptions import waiting
from bridge.errors import ClientError


def subscribe(
    provider: Annotated[
        str,
        typer.Argument(
            metavar="PROVIDER",
            autocompletion=completing.provider_names,
            help="Who runs the task.",
        ),
    ],
    task_id: Annotated[
        str, typer.Argument(metavar="TASK_ID", help="The id the provider gave it.")
    ],
    *,
    callback_url: Annotated[
        str | None,
        typer.Option("--callback-url", "-c", metavar="URL", help="Where the webhook goes."),
    ] = None,
    event: Event = None,
    metadata: Annotated[
        str | None, typer.Option(metavar="JSON", help="Comes back in every event.")
    ] = None,
    param: Params = None,
    provider_key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY", envvar="PROVIDER_API_KEY", help="Your own key at the provider."
        ),
    ] = None,
    deadline: Annotated[
        str | None, typer.Option(metavar="DURATION", help="When to give up.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="LABEL", help="Label to learn durations by.")
    ] = None,
    format_: Format = None,
    method: Method = None,
    header: Header = None,
    auth: Auth = None,
    robot_secret: RobotSecret = None,
    robot_keyword: RobotKeyword = None,
    include_raw: Annotated[
        bool, typer.Option("--include-raw", help="Send the provider's own body as well.")
    ] = False,
    idempotency_key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            callback=sendable,
            help="A repeat with the same key subscribes once.",
        ),
    ] = None,
    wait: Wait = None,
    url: Url = None,
    api_key: ApiKey = None,
    json: Json = False,
) -> None:
    """Ask the running bridge to tell of a task."""
    import asyncio

    body: dict[str, Any] = {
        "provider": provider,
        "task_id": task_id,
        "callback_url": callback_url,
        "events": event or None,
        "metadata": metadata_of(metadata),
        "params": pairs(param, "--param") or None,
        "provider_api_key": provider_key,
        "deadline": deadline,
        "model": model,
        "include_raw": include_raw or None,
        **way(
            format_=format_,
            method=method,
            header=header,
            auth=auth,
            robot_secret=robot_secret,
            robot_keyword=robot_keyword,
        ),
    }
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    with working("waiting for the end", json=json or not wait):
        subscription = asyncio.run(subscribed(url, api_key, present(body), headers, wait))
    if json:
        say(as_json(subscription))
        return
    say_facts(facts(subscription))
    told = callback_url is not None and wait is None
    if subscription.get("state") == "active" and not told:
        note(f"to see its end: {program()} show {plain(subscription['id'])} --wait 60")


async def subscribed(
    url: str | None,
    api_key: str | None,
    body: dict[str, Any],
    headers: dict[str, str],
    wait: int | None,
) -> dict[str, Any]:
    """The subscription as it is then: new, ended, or still active after `wait` seconds."""
    from bridge.cli.reaching import reached

    async with reached(url, api_key) as api:
        answer = await api.post("/subscribe", body, headers=headers)
        made = holding("id", answer.body)
        if wait is None:
            return made
        path = f"/subscriptions/{quote(str(made['id']), safe='')}"
        try:
            answer = await api.get(path, waiting(wait), wait_s=wait)
        except ClientError as error:
            raise CommandFailed(
                *error.lines,
                f"It is subscribed: {program()} show {made['id']}",
                code=exit_code(error),
            ) from error
    # Those about the request itself are told once, in the first answer.
    return holding("id", answer.body) | {"warnings": made.get("warnings", [])}


def metadata_of(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json_of(text, "--metadata")
    except ValueError as error:
        raise UsageFault(f"--metadata: not JSON: {error}") from error
