"""Settings from BRIDGE_… variables and from flags.

``BRIDGE_CALLBACKS__TIMEOUT=10s`` sets ``callbacks.timeout``; with ``_FILE`` after the name
the value is what the named file holds. ``BRIDGE_API_KEY`` and ``BRIDGE_SIGNING_SECRET`` are
those of the client `default`, and ``PORT`` listens on all addresses, as platforms that set
it expect.
"""

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from bridge.config.interpolation import content
from bridge.config.scalar import Plain
from bridge.config.tree import Tree

PREFIX, FROM_FILE = "BRIDGE_", "_FILE"
NAMES_A_FILE = "__CA_FILE"  # a key that is called so itself

SHORT = {
    "API_KEY": ("clients", "default", "api_keys"),
    "SIGNING_SECRET": ("clients", "default", "signing_secrets"),
}

# Read elsewhere: where the file is, and where the commands find a running bridge.
NOT_SETTINGS = ("BRIDGE_CONFIG", "BRIDGE_URL")

# What Kubernetes and Docker set by themselves for a service called "bridge".
_SERVICE_LINK = re.compile(
    r"BRIDGE_(SERVICE_(HOST|PORT)(_.*)?|PORT_[0-9]+_(TCP|UDP)(_.*)?)"
)


def from_environ(environ: Mapping[str, str], below: Tree, presets: Collection[str]) -> Tree:
    """`below` and `presets` give the names whose hyphens a variable cannot spell.

    Variables that the file mentions are for the file: ``${BRIDGE_KEY}`` is no setting.
    """
    tree = Tree("environment")
    names = {**below.values, "providers": _names(below, presets)}
    for variable in sorted(set(environ) - below.mentioned - short_forms(below)):
        ours = variable.startswith(PREFIX) and not _foreign(variable, environ[variable])
        if ours and environ[variable]:
            _take(tree, variable, environ, names)
    if "listen" not in tree.values and environ.get("PORT"):
        tree.put(("listen",), f"0.0.0.0:{environ['PORT']}", "PORT")
    return tree


def short_forms(below: Tree) -> set[str]:
    """Variables that add no client to those of a file: the commands use them too."""
    clients = below.values.get("clients")
    if not isinstance(clients, Mapping) or "default" in clients:
        return set()
    return {PREFIX + name + end for name in SHORT for end in ("", FROM_FILE)}


def from_flags(flags: Mapping[str, object]) -> Tree:
    """Flags are called as keys: ``{"callbacks.timeout": "10s"}``. None: not given."""
    tree = Tree()
    for flag, value in flags.items():
        if value is not None and flag != "config":
            keys = tuple(flag.split("."))
            tree.put(keys, value, "--" + flag.replace(".", "-").replace("_", "-"))
    return tree


def _take(
    tree: Tree, variable: str, environ: Mapping[str, str], names: Mapping[str, Any]
) -> None:
    name, value = variable.removeprefix(PREFIX), environ[variable]
    if not name.isascii():  # pydantic gives up on names that are not UTF-8
        tree.fault((), variable, "no such key")
        return
    if name.endswith(FROM_FILE) and not name.endswith(NAMES_A_FILE):
        name = name.removesuffix(FROM_FILE)
        if environ.get(PREFIX + name):
            tree.fault((), variable, f"{PREFIX}{name} is set as well; keep one of them")
            return
        try:
            value = content(Path(value))
        except ValueError as error:
            tree.fault((), variable, str(error))
            return
    keys = SHORT.get(name) or _keys(name.split("__"), names)
    if keys in tree.origins:
        tree.fault(
            keys, variable, f"{tree.origins[keys]} sets it as well; keep one of them"
        )
    else:
        tree.put(keys, _value(value), variable)


def _value(text: str) -> object:
    """A JSON object sets a whole section; everything else is read as the key wants it."""
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return Plain(text)


def _keys(parts: list[str], names: Mapping[str, Any]) -> tuple[str, ...]:
    keys: list[str] = []
    within: object = names
    for part in parts:
        known = list(within) if isinstance(within, dict) else []
        key = next((each for each in known if _folded(each) == _folded(part)), part.lower())
        within = within.get(key) if isinstance(within, dict) else None
        keys.append(key)
    return tuple(keys)


def _names(below: Tree, presets: Collection[str]) -> dict[str, Any]:
    given = below.values.get("providers")
    return dict.fromkeys(presets) | (given if isinstance(given, dict) else {})


def _folded(name: str) -> str:
    """
    >>> _folded("rong-us") == _folded("RONG_US")
    True
    """
    return re.sub(r"[-.]", "_", name).lower()


def _foreign(variable: str, value: str) -> bool:
    if variable == "BRIDGE_PORT":
        return "://" in value
    return variable in NOT_SETTINGS or _SERVICE_LINK.fullmatch(variable) is not None
