"""What is given to a command, before it begins."""

from typing import Any

import typer
from typer.core import TyperCommand


class Command(TyperCommand):
    """Takes text only: other bytes cannot be sent on, and would be lost on the way."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        rest = super().parse_args(ctx, args)
        params: list[Any] = [] if ctx.resilient_parsing else self.params
        for param in params:
            given = ctx.params.get(param.name)
            texts = given if isinstance(given, list | tuple) else [given]
            if not all(utf_8(each) for each in texts):
                raise typer.BadParameter("it is not UTF-8", ctx=ctx, param=param)
        return rest


def utf_8(given: object) -> bool:
    r"""Python has the bytes that are not as lone surrogates.

    >>> utf_8("排队"), utf_8("\udcff"), utf_8(7)
    (True, False, True)
    """
    try:
        str(given).encode()
    except UnicodeEncodeError:
        return False
    return True


def sendable(key: str | None) -> str | None:
    """An `Idempotency-Key`. Raises BadParameter for one that would not arrive."""
    if key is None or (key.strip() and key.isascii() and key.isprintable()):
        return key
    raise typer.BadParameter("it must be printable ASCII characters")
