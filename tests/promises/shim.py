"""A disk that is watched, can fail, and forgets what was not synced: see shim.c."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

SOURCE = Path(__file__).with_name("shim.c")


class Answer(NamedTuple):
    """One 202, and whether a sync began and succeeded between its request and itself."""

    number: int
    synced: bool


class Disk:
    """What the shim works on in `folder`. Skips the test where there is none."""

    def __init__(self, folder: Path, *, keep: int = 0) -> None:
        compiler = shutil.which("cc")
        if sys.platform != "linux" or compiler is None:
            pytest.skip("needs Linux, to preload a library, and a C compiler, to make it")
        self.folder = folder / "shim"
        (self.folder / "disk").mkdir(parents=True)
        (self.folder / "left").mkdir()
        self._library, self._keep = folder / "shim.so", keep
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-o", self._library, SOURCE, "-ldl"],
            check=True,
            timeout=60,
        )

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "LD_PRELOAD": str(self._library),
            "SHIM_FOLDER": str(self.folder),
            "SHIM_KEEP": str(self._keep),
        }

    def break_(self, how: str) -> None:
        (self.folder / how).touch()

    def mend(self, how: str) -> None:
        (self.folder / how).unlink()

    def restore(self, number: int, folder: Path) -> None:
        """Put what the disk held at the `number`-th 202 where a bridge can start on it."""
        folder.mkdir()
        for file in (self.folder / "left" / str(number)).iterdir():
            shutil.copyfile(file, folder / file.name)

    def answers(self) -> list[Answer]:
        """Every 202, in order."""
        asked: dict[str, int] = {}  # when the last request on a connection arrived
        began: dict[str, int] = {}
        synced = -1  # when the last sync that succeeded had begun
        found = []
        for at, line in enumerate((self.folder / "trace").read_text().splitlines()):
            event, *rest = line.split()
            if event == "r":
                asked[rest[0]] = at
            elif event == "b":
                began[rest[0]] = at
            elif event == "e":
                synced = max(synced, began[rest[0]])
            else:
                found.append(Answer(int(rest[1]), synced > asked[rest[0]]))
        return found
