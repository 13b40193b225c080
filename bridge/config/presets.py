"""The names of the provider pages that are built in, without reading what they say."""

import re
from importlib import resources

SANDBOX = "sandbox"  # served by the bridge itself; only where it is asked for by name

_KNOWN_ADDRESS = re.compile(r"^base_url:[ ]*(?!null\b|~)\S", re.MULTILINE)


def built_in() -> dict[str, bool]:
    """Each preset, and whether it is complete: whether it says where the provider is."""
    folder = resources.files("bridge.providers").joinpath("presets")
    pages = [page for page in folder.iterdir() if page.name.endswith(".yaml")]
    found = {
        page.name.removesuffix(".yaml"): bool(
            _KNOWN_ADDRESS.search(page.read_text("utf-8"))
        )
        for page in sorted(pages, key=lambda page: page.name)
    }
    return {**found, SANDBOX: False}
