"""The example and the documentation show every key there is, as it is."""

import re
from pathlib import Path
from typing import Any

import pytest

from bridge.api.body import MAX_BYTES
from bridge.api.subscribing import BATCH_BYTES
from bridge.config import Config, load
from bridge.config.document import parsed
from bridge.config.environment import SHORT
from bridge.config.keys import NAME, Key, keys
from bridge.config.reference import shown_default, tables
from bridge.config.scalar import typed
from tests.settings import API_KEY, ENCRYPTION_KEY, SIGNING_SECRET

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "config.example.yaml"
DOCUMENT = (ROOT / "docs" / "configuration.md").read_text("utf-8")
ENVIRON = {
    "BRIDGE_KEY": ENCRYPTION_KEY,
    "SHOP_API_KEY": API_KEY,
    "SHOP_SIGNING_SECRET": SIGNING_SECRET,
}
NAMED = ("clients", "providers")


def shown() -> dict[tuple[str, ...], Any]:
    """Each key of the example, called as in the list of keys, and what it shows.

    Clients are laid over each other, and so are providers: one of each shows all keys.
    """
    tree = parsed(EXAMPLE.read_bytes(), ENVIRON, folder=ROOT, shown="example")
    found: dict[tuple[str, ...], Any] = {}
    known = {key.path for key in keys()}

    def walk(values: dict[str, Any], path: tuple[str, ...]) -> None:
        for key, value in values.items():
            here = (*path, NAME if path and path[-1] in NAMED else key)
            if isinstance(value, dict) and here not in known:
                walk(value, here)
            else:
                found[here] = typed(value)

    walk(tree.values, ())
    return found


def test_the_example_shows_exactly_the_keys_there_are() -> None:
    """
    A setting that is not in the example is never found; one too many does not load.
    """
    assert set(shown()) == {key.path for key in keys()}


def test_the_example_loads(tmp_path: Path) -> None:
    """
    With its secrets set it is a working configuration, with the optional ones left out.
    """
    config = load({"config": str(EXAMPLE)}, ENVIRON, tmp_path)
    assert list(config.clients) == ["shop"]
    assert config.granted("shop") == {"amux", "rong-us"}
    assert len(config.encryption_keys) == 1
    assert config.providers["rong-us"].api_key is None


def test_the_example_names_what_it_wants(tmp_path: Path) -> None:
    """
    Started as it is, it says which three variables to set.
    """
    with pytest.raises(Exception, match="SHOP_SIGNING_SECRET is not set") as caught:
        load({"config": str(EXAMPLE)}, {}, tmp_path)
    faults = str(caught.value).splitlines()
    assert len(faults) == len(ENVIRON)
    for name, fault in zip(ENVIRON, faults, strict=True):
        assert f"environment variable {name} is not set" in fault


@pytest.mark.parametrize(
    "key",
    [k for k in keys() if not k.field.is_required() and k.path[0] != "providers"],
    ids=lambda key: ".".join(key.path),
)
def test_the_example_shows_the_default(key: Key) -> None:
    """
    Whoever copies it changes nothing by that, but for the names it makes up.
    """
    value = shown()[key.path]
    if key.path == ("clients", NAME, "providers"):
        assert value == ["amux", "rong-us"]
    elif value is None or isinstance(value, bool):
        assert key.field.default is value
    elif isinstance(value, list):
        assert f"[{', '.join(map(str, value))}]" == shown_default(key)
    else:
        assert str(value) == shown_default(key)


def test_lines_of_the_example_are_short() -> None:
    """
    It is read in terminals and in side panels.
    """
    assert max(map(len, EXAMPLE.read_text("utf-8").splitlines())) <= 92


@pytest.mark.parametrize("group", dict(tables()), ids=lambda group: group or "top")
def test_the_documentation_has_the_table_of_each_group(group: str) -> None:
    """
    If this fails, the expected table is in the message, to be pasted.
    """
    assert dict(tables())[group] in DOCUMENT


def test_the_documentation_has_no_keys_beside_those() -> None:
    """
    One that was removed must go from the page too.
    """
    rows = [line for line in DOCUMENT.splitlines() if "` | `BRIDGE_" in line]
    assert len(rows) == len(list(keys()))
    for name in SHORT:
        assert f"`BRIDGE_{name}`" in DOCUMENT


def test_the_limits_of_bodies_are_as_documented() -> None:
    """
    A proxy is set up by this table.
    """
    limits = dict(re.findall(r"(?m)^\| (.+) \| ([0-9]+) MiB \|$", DOCUMENT))
    assert int(limits["request body"]) * 2**20 == MAX_BYTES
    assert int(limits["body of a batch"]) * 2**20 == BATCH_BYTES


def test_every_key_says_what_it_means() -> None:
    """
    The description is the documentation.
    """
    assert [key.path for key in keys() if not key.field.description] == []
    assert Config.__doc__
