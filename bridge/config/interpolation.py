"""Puts ${ENV}, ${ENV:-default} and ${file:/path} into a setting's text."""

import re
from collections.abc import Mapping
from pathlib import Path

MAX_SECRET_BYTES = 65_536  # of a file that holds one value

_PLACE = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


def expanded(text: str, environ: Mapping[str, str], folder: Path) -> str:
    """The text with every place filled in; ``$${`` stands for ``${``.

    What is filled in is not searched again: a secret may contain ``${``. A variable that is
    set to nothing counts as missing, as in a shell's ``:-``. Relative files are looked for
    in `folder`. Raises ValueError, which names the variable or file but no value.

    >>> expanded("${HOST:-localhost}:${PORT} $${x}", {"PORT": "80"}, Path())
    'localhost:80 ${x}'
    """

    def filled(found: re.Match[str]) -> str:
        if found[1] is None:
            return "${"
        if not found[2]:
            raise ValueError('"${" without "}"; write "$${" if the text is meant')
        kind, _, rest = found[1].partition(":")
        if kind == "file" and not rest.startswith("-"):
            return content(folder / rest)
        return _variable(found[1], environ)

    return _PLACE.sub(filled, text)


def mentioned(text: str) -> set[str]:
    """The names in the text's places.

    >>> sorted(mentioned("${HOST:-localhost}:${PORT} $${x}"))
    ['HOST', 'PORT']
    """
    return {found[1].partition(":")[0] for found in _PLACE.finditer(text) if found[1]}


def content(path: Path) -> str:
    """The text of a file that holds one value, without its last line end.

    Raises ValueError.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SECRET_BYTES + 1)
        text = raw.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not text in UTF-8") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise ValueError(f"{path} cannot be read: {reason}") from None
    if len(raw) > MAX_SECRET_BYTES:
        raise ValueError(f"{path} is larger than 64 KiB")
    return text.removesuffix("\n").removesuffix("\r")


def _variable(written: str, environ: Mapping[str, str]) -> str:
    match = _NAME.fullmatch(written)
    if match is None:
        raise ValueError(
            "write ${ENV}, ${ENV:-default} or ${file:/path} between the braces"
        )
    name, default = match[1], match[2]
    value = environ.get(name) or default
    if value is None:
        state = "is empty" if name in environ else "is not set"
        raise ValueError(
            f"the environment variable {name} {state}; "
            f"set it, or write ${{{name}:-}} if it may be missing"
        )
    return value
