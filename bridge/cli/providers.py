"""`providers list`, `providers show` and `providers try`."""

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from bridge.cli import completing
from bridge.cli.exits import CommandFailed, Exit, UsageFault
from bridge.cli.options import ApiKey, ConfigFile, Dev, Json, Params, Url, pairs
from bridge.cli.output import as_json, facts, note, plain, say, say_facts, say_table
from bridge.cli.progress import working
from bridge.cli.reading import Command

if TYPE_CHECKING:
    from bridge.cli.trying import Trial
    from bridge.config import Config
    from bridge.config import Provider as Settings

app = typer.Typer(no_args_is_help=True, help="Provider pages: see them, and try them.")

BODY_LINES = 60


@app.command("list", cls=Command)
def list_(*, json: Json = False, config: ConfigFile = None, dev: Dev = False) -> None:
    """Show the providers that are configured, and the built-in presets."""
    from bridge.cli.pages import known_providers

    known = known_providers(configuration(config, dev=dev))
    if json:
        say(as_json(known))
        return
    columns = ("name", "preset", "configured", "has_key", "base_url", "title")
    say_table(columns, [[each[name] for name in columns] for each in known])


@app.command(cls=Command)
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            autocompletion=completing.provider_names,
            help="A configured provider, or a preset.",
        ),
    ],
    *,
    learned: Annotated[
        bool,
        typer.Option(
            "--learned",
            help="Draw what the running bridge has learned: how long its tasks take, and "
            "how often they are polled at each age.",
        ),
    ] = False,
    url: Url = None,
    api_key: ApiKey = None,
    json: Json = False,
    config: ConfigFile = None,
    dev: Dev = False,
) -> None:
    """Show a provider's page: how it is asked, and what its answers mean.

    It can be pasted under `page` and changed.
    """
    import yaml

    if learned:
        draw(name, url, api_key, json=json)
        return

    from bridge.cli.pages import page_shown

    page = page_shown(settings_of(name, configuration(config, dev=dev)))
    if json:
        say(as_json(page))
    else:
        say(yaml.safe_dump(page, sort_keys=False, allow_unicode=True).rstrip())


def draw(name: str, url: str | None, api_key: str | None, *, json: bool) -> None:
    import asyncio

    from bridge.cli.asking import got
    from bridge.cli.drawing import durations

    path = f"/providers/{quote(name, safe='')}/durations"
    told = asyncio.run(got(url, api_key, path, {}, key="items"))
    if json:
        say(as_json(told))
        return
    if not told["items"]:
        note("nothing is learned yet: no task of it has ended")
    for each in told["items"]:
        say(*(plain(line) for line in durations(each)), "")


@app.command("try", cls=Command)
def try_(
    task_id: Annotated[
        str, typer.Argument(metavar="TASK_ID", help="A task of yours at the provider.")
    ],
    *,
    provider: Annotated[
        str,
        typer.Option(
            "--provider",
            "-p",
            metavar="NAME",
            autocompletion=completing.provider_names,
            help="A configured provider, or a preset.",
        ),
    ],
    key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            envvar="PROVIDER_API_KEY",
            help="Key at the provider. Default: the configured one.",
        ),
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Where it is. Default: as configured."),
    ] = None,
    param: Params = None,
    json: Json = False,
    config: ConfigFile = None,
    dev: Dev = False,
) -> None:
    """Poll a task once, and show the answer and what the bridge makes of it.

    0: the provider spoke of the task. 1: it did not. 3: it did not answer.
    """
    import asyncio

    from bridge.cli.pages import alone

    found = configuration(config, dev=dev)
    settings = settings_of(provider, found)
    chosen = alone(found, provider, settings, key=key, base_url=base_url)
    with working(f"asking {provider}", json=json):
        trial = asyncio.run(tried(chosen, provider, task_id, pairs(param, "--param")))
    if json:
        say(as_json(trial.plain()))
    else:
        report(trial)
    if not trial.seen.outcome.answered:
        gone = trial.answer.http_status is None
        raise typer.Exit(Exit.UNAVAILABLE if gone else Exit.FAILED)


async def tried(
    config: "Config", name: str, task_id: str, params: dict[str, str]
) -> "Trial":
    from bridge.cli.trying import asking

    async with asking(config) as asker:
        faults = asker.faults(name, task_id, params)
        if faults:
            raise UsageFault(*(f"{fault.field}: {fault.message}" for fault in faults))
        return await asker.ask(name, task_id, params)


def report(trial: "Trial") -> None:
    told = trial.plain()
    answer = told["answer"]
    key = "with a key" if trial.provider.key else "without a key"
    request = told["request"]
    say(f"{request['method']} {plain(request['url'])}  ({key})")
    say(*(f"  {plain(name)}: {plain(value)}" for name, value in request["headers"].items()))
    if trial.answer.http_status is None:
        say(f"no answer: {trial.answer.failure}")
    else:
        kind = plain(answer["content_type"])
        say(f"{trial.answer.http_status} {kind}, {answer['bytes']:,} bytes")
    say("", "what the bridge makes of it:")
    say_facts([*facts(told["observation"]), ("because", plain(trial.because))])
    if told["advice"]:
        say(f"→ {told['advice']}")
    if answer["body"]:
        lines = pretty(answer["body"]).splitlines()
        say("", "the answer:", *(plain(line) for line in lines[:BODY_LINES]))
        if len(lines) > BODY_LINES:
            note(f"… {len(lines) - BODY_LINES} lines more: --json")


def pretty(body: str) -> str:
    """JSON on several lines; anything else as it came."""
    import json

    try:
        return as_json(json.loads(body))
    except (ValueError, RecursionError):
        return body


def configuration(config: str | None, *, dev: bool) -> "Config | None":
    """None if there is none that can be used, which is said: presets need none."""
    from bridge.cli.configuration import anything_given, found, in_development
    from bridge.errors import ConfigError

    flags: dict[str, Any] = {"config": config}
    if not (dev or anything_given(flags) or in_development(flags)):
        return None
    try:
        return found(flags, dev=dev)
    except ConfigError as error:
        if config or dev:
            raise
        note(*(plain(each) for each in error.faults), "so only the presets are known here")
        return None


def settings_of(name: str, config: "Config | None") -> "Settings":
    """What is configured for the provider, or nothing but its preset."""
    from bridge.config import Provider as Settings
    from bridge.providers.catalogue import preset_names

    if config and name in config.providers:
        return config.providers[name]
    if name in preset_names():
        return Settings(preset=name)
    names = sorted({*preset_names(), *(config.providers if config else ())})
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names)}"
    raise CommandFailed(f"no provider {name!r}; {hint}", code=Exit.USAGE)
