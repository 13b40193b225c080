"""docs/schemas has what the models say."""

import re
from pathlib import Path

from bridge.schemas.__main__ import write
from bridge.schemas.published import published

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "schemas"


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_files_are_those_of_the_models() -> None:
    """
    If this fails: scripts/schemas writes them anew.
    """
    assert files(FOLDER) == dict(published())


def test_the_command_writes_all_of_them_and_nothing_else(tmp_path: Path) -> None:
    """
    What is not published any more must go.
    """
    (tmp_path / "standard").mkdir()
    (tmp_path / "standard" / "task.gone.json").write_text("{}")
    (tmp_path / "README.md").write_text("stays")
    write(tmp_path)
    assert files(tmp_path) == dict(published()) | {"README.md": b"stays"}


def test_the_documentation_names_files_that_are_there() -> None:
    """
    People follow these links before they have a bridge to ask.
    """
    page = (ROOT / "docs" / "receiving.md").read_text("utf-8")
    named = re.findall(r"\(schemas/([\w./]+\.json)\)", page)
    assert named
    assert {*named} <= {*files(FOLDER)}
