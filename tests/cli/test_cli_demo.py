"""`demo`, as the real command: a whole bridge, judged by what others saw of it."""

import signal
from pathlib import Path

from tests.cli.commands import Bridge, finished


class Demo(Bridge):
    """``demo`` as a process of its own."""

    command = "demo"


def test_the_bridge_passes_its_own_demo(tmp_path: Path) -> None:
    """It is the first thing that people run."""
    code, said = finished("demo", cwd=tmp_path)
    assert code == 0, said
    assert said.splitlines()[-1] == "passed"
    assert not list(tmp_path.iterdir())


def test_ctrl_c_ends_the_demo_and_its_bridge(tmp_path: Path) -> None:
    """With the shells' code for it, and no traceback."""
    with Demo(tmp_path) as demo:
        assert demo.stop(signal.SIGINT) == 130
    assert "Traceback" not in demo.said
