"""`secret new` and `secret show`."""

from typing import Annotated

import typer

from bridge.cli.options import ConfigFile, Dev, Json
from bridge.cli.output import as_json, note, say
from bridge.cli.reading import Command

app = typer.Typer(no_args_is_help=True, help="Make a signing secret, or show those in use.")


@app.command(cls=Command)
def new(json: Json = False) -> None:
    """Make a signing secret; the bridge does not learn of it by itself."""
    from bridge import signature

    value = signature.mint()
    text = signature.text_of(value)
    if json:
        say(as_json({"secret": value, "text": text}))
    else:
        say(value)
        note(f"as text, for tools that take no whsec_: {text}")


@app.command(cls=Command)
def show(
    *,
    api_key: Annotated[
        bool,
        typer.Option("--api-key", help="Show only the API key of `serve --dev`."),
    ] = False,
    json: Json = False,
    config: ConfigFile = None,
    dev: Dev = False,
) -> None:
    """Show the signing secrets of the configuration, or those of `serve --dev`.

    Each as whsec_… and, for tools that take a key only as text, decoded.
    """
    from bridge import signature
    from bridge.cli.configuration import in_development, signing_secrets

    flags = {"config": config}
    development = dev or api_key or in_development(flags)
    secrets = signing_secrets(flags, dev=development)
    if api_key:
        key = secrets[0].api_key
        say(as_json({"api_key": key}) if json else key)
        return
    shown = [
        {"client": owner, "secret": value, "text": signature.text_of(value)}
        | ({"api_key": key} if development else {})
        for owner, value, key in secrets
    ]
    if json:
        say(as_json(shown))
        return
    for each in shown:
        text = each["text"] or "(not text; use the whsec_ form)"
        say(f"{each['client']}", f"  secret   {each['secret']}", f"  as text  {text}")
        if development:
            say(f"  API key  {each['api_key']}")
