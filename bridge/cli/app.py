"""The commands, and the process's edge: errors become lines and an exit code."""

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from bridge.cli import (
    callbacks,
    checking,
    database,
    deliveries,
    describing,
    health,
    hooks,
    listening,
    providers,
    replaying,
    secret,
    serving,
    simple,
    streams,
    subscribing,
    subscriptions,
    tailing,
    webhooks,
)
from bridge.cli.exits import exit_code, lines, raised_on_purpose
from bridge.cli.output import NAME, name, note, plain
from bridge.cli.reading import Command
from bridge.cli.streams import OutputLost

COMPLETION = ("--install-completion", "--show-completion")


class Commands(TyperGroup):
    """Runs a command; what a user can cause ends without a traceback."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Shells complete one word: for `python -m bridge` they would take over python."""
        for option in COMPLETION:
            if option in args and ctx.info_name != NAME:
                raise typer.BadParameter(
                    f"it is for the program by its own name: write {NAME} {option}"
                )
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            expected = raised_on_purpose(error)
            if not expected or ctx.params["debug"]:
                raise
            note(*(plain(line) for each in expected for line in lines(each)))
            raise typer.Exit(max(exit_code(each) for each in expected)) from error


app = typer.Typer(
    name=NAME,
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # help is text: quick, and the same in a log as on a terminal
)


@app.callback()
def poll_bridge(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; goes before the command.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=simple.version_and_exit,
            help="Show the version.",
        ),
    ] = False,
) -> None:
    """Turns job APIs that must be polled into ones that call back, with signed webhooks."""


for command in (
    serving.serve,
    simple.demo,
    checking.check,
    subscribing.subscribe,
    subscriptions.list_,
    subscriptions.show,
    tailing.tail,
    deliveries.deliveries,
    deliveries.retry,
    replaying.replay,
    listening.listen,
    webhooks.sign,
    webhooks.verify,
    database.migrate,
    database.backup,
    database.rekey,
    health.health,
    describing.openapi,
    simple.version,
):
    app.command(command.__name__.rstrip("_"), cls=Command)(command)
app.add_typer(secret.app, name="secret")
app.add_typer(providers.app, name="providers")
app.add_typer(callbacks.app, name="callbacks")
app.add_typer(hooks.app, name="hooks")


def main() -> None:
    """Run the command line in this process, and leave it with an exit code."""
    streams.ready()
    try:
        app(prog_name=name())
    except OutputLost as error:  # of the help, before there was a command
        note(*error.lines)
        sys.exit(error.code)
