"""Writes the schemas of docs/schemas/: `python -m bridge.schemas docs/schemas`."""

import sys
from pathlib import Path

from bridge.schemas.published import published


def write(folder: Path) -> None:
    """All of them, and nothing beside: what is not published any more is removed."""
    kept = {folder / name: text for name, text in published()}
    for path in set(folder.rglob("*.json")) - kept.keys():
        path.unlink()
    for path, text in kept.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
