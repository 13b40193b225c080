"""`serve`: the bridge itself, in this process."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any

import typer

from bridge.cli.listening import PORT as RECEIVER_PORT
from bridge.cli.options import ConfigFile
from bridge.cli.output import program, say

Announcement = Callable[[str], None]


def serve(
    *,
    config: ConfigFile = None,
    dev: Annotated[
        bool,
        typer.Option(
            "--dev",
            help="For development: this machine only, SQLite and minted secrets in this "
            "directory, every preset, no configuration file.",
        ),
    ] = False,
    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="As `listen` in the file.")
    ] = None,
    public_url: Annotated[
        str | None, typer.Option(metavar="URL", help="As `public_url` in the file.")
    ] = None,
    database: Annotated[
        str | None, typer.Option(metavar="URL", help="As `database` in the file.")
    ] = None,
    log_format: Annotated[
        str | None, typer.Option(metavar="FORMAT", help="auto, json or text.")
    ] = None,
    log_level: Annotated[
        str | None,
        typer.Option(metavar="LEVEL", help="debug, info, warning or error."),
    ] = None,
    abandon: Annotated[
        bool,
        typer.Option(
            "--abandon",
            help="Stop the subscriptions of clients and providers that are no longer "
            "configured, instead of refusing to start.",
        ),
    ] = False,
) -> None:
    """Run the bridge until SIGTERM or Ctrl-C.

    Without any configuration it runs as with --dev on a terminal, and refuses elsewhere.
    """
    flags = {
        "config": config,
        "listen": listen,
        "public_url": public_url,
        "database": database,
        "log.format": log_format,
        "log.level": log_level,
    }
    run(flags, dev=dev or rehearsing(flags), abandon=abandon)


def rehearsing(flags: dict[str, str | None]) -> bool:
    """Whether somebody is trying it out: at a terminal, and with nothing configured."""
    from bridge.cli.configuration import anything_given

    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    return terminal and not anything_given(flags)


def run(flags: dict[str, str | None], *, dev: bool, abandon: bool) -> None:
    import asyncio

    from bridge.cli.configuration import loaded
    from bridge.config import redacted

    reload = partial(loaded, flags, dev=dev)
    config = reload()

    from bridge import logs, service  # the rest of the program; not for a refusal

    logs.set_up(form=config.log.format, level=config.log.level)
    raise_open_files()
    database = str(redacted(config)["database"])
    welcomed = partial(welcome, database=database, dashboard=config.dashboard)
    ready = welcomed if dev else logged
    with told_where(), asyncio.Runner(loop_factory=quick_loop()) as runner:
        runner.run(
            service.serve(
                config, reload=reload, abandon=abandon, on_ready=settled_then(ready)
            )
        )


@contextlib.contextmanager
def told_where() -> Iterator[None]:
    """A bug ends the process. The log says where it is, and not its words, which can hold
    secrets; `--debug` shows them.
    """
    try:
        yield
    except Exception as error:
        from structlog import get_logger

        from bridge.cli.exits import Exit, raised_on_purpose

        if raised_on_purpose(error) or "--debug" in sys.argv[1:2]:
            raise
        get_logger(__name__).critical("service.crashed", exc_info=error)
        raise typer.Exit(Exit.FAILED) from None


def settled_then(announce: Announcement) -> Announcement:
    """What is there by now stays until the end, and need not be searched for garbage."""

    def announced(url: str) -> None:
        import gc

        gc.collect()
        gc.freeze()
        announce(url)

    return announced


def logged(url: str) -> None:
    import structlog

    structlog.get_logger(__name__).info("service.listening", address=url)


def welcome(url: str, *, database: str, dashboard: bool) -> None:
    """What somebody who tries it out needs next, to be pasted as it stands."""
    name = program()
    receiver = f"http://127.0.0.1:{RECEIVER_PORT}/"
    say(
        "",
        "poll-bridge for development, not for production",
        f"  listening on  {url}",
        *([f"  dashboard     {url}/dashboard"] if dashboard else ()),
        f"  database      {database}",
        f"  API key       {name} secret show",
        *(f"  other shells  export {each}" for each in exports(url)),
        "Try it: in a second terminal, in this directory,",
        f"  {name} listen",
        "and in a third one",
        f"  curl {url}/subscribe \\",
        f'    -H "Authorization: Bearer $({name} secret show --api-key)" \\',
        "    -H 'Content-Type: application/json' \\",
        "    -d '{"
        f'"provider": "sandbox", "task_id": "succeed-10s", "callback_url": "{receiver}"'
        "}'",
        "Ten seconds later the second terminal shows the webhook. Ctrl-C stops the bridge.",
    )


def exports(url: str) -> Iterator[str]:
    """What commands in another shell would get wrong by themselves."""
    from bridge.cli.configuration import variables

    if not found_unasked(url):
        yield f"BRIDGE_URL={url}"
    if ("clients", "default", "api_keys") in variables().origins:
        yield "BRIDGE_API_KEY, as here"


def found_unasked(url: str) -> bool:
    """Whether commands look there by themselves, also in a shell with other variables."""
    from bridge.cli.configuration import listening
    from bridge.cli.exits import UsageFault
    from bridge.config import Config

    default: str = Config.model_fields["listen"].default.url
    try:
        return url == default == listening({})
    except UsageFault:  # of a file that --dev does not read, but they do
        return False


def quick_loop() -> Callable[[], Any] | None:
    """uvloop's event loop, where it can be had."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def raise_open_files() -> None:
    """Each connection is an open file; the usual soft limit of 1,024 is for `select`."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS allows less than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
