"""The files people import, and what the bridge they are made for says."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from bridge.formats import flat
from bridge.messages import samples

ROOT = Path(__file__).parents[2]
INTEGRATIONS = ROOT / "integrations"
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="node is not on PATH")

# Every call that the files make, by method and path as in the API's own table of routes.
PATHS = {
    ("POST", "/subscribe"),
    ("GET", "/subscriptions/{id}"),
    ("GET", "/providers"),
    ("POST", "/hooks"),
    ("DELETE", "/hooks/{id}"),
    ("GET", "/samples"),
}

# What is kept secret must not be in a file that is passed on.
SECRET = re.compile(r"whsec_[A-Za-z0-9+/]|sk-[A-Za-z0-9]{8}|Bearer [A-Za-z0-9]{8}")


def parsed(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def sample_of(type_: str) -> dict[str, Any]:
    return flat(samples.sample(type_, now=1_795_176_000.0))


def keys_of_the_flat_form() -> set[str]:
    """Those that every event has: metadata is the caller's own."""
    found = sample_of("task.succeeded")
    return {key for key in found if not key.startswith("metadata_")}
