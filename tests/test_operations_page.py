"""What the pages for operators say of the log exists, and what they show can be pasted."""

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from bridge.config import built_in, load
from bridge.config.models import Config
from bridge.signature import text_of

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
TROUBLES = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text("utf-8"))
CODE = "\n".join(path.read_text("utf-8") for path in (ROOT / "bridge").rglob("*.py"))


def test_what_to_look_for_in_the_log_is_logged() -> None:
    """
    People search the log for these words at night.
    """
    log = (
        TROUBLES.split("and the log:")[1]
        + PAGE.split("## Changing keys")[1].split("- **")[0]
    )
    told = set(re.findall(r"`([a-z]+\.[a-z_]+)`", log))
    assert len(told) >= 8
    assert [event for event in told if f'"{event}"' not in CODE] == []


def test_the_secrets_for_a_container_are_secrets(tmp_path: Path) -> None:
    """
    Whoever pastes this has nothing yet that could draw one, and none may be too weak.
    """
    [drawing] = re.findall(r"(?ms)^```sh\n(text=.*?)^```$", PAGE)
    subprocess.run(["sh", "-euc", drawing], cwd=tmp_path, check=True)
    file = tmp_path / ".env"
    assert file.stat().st_mode & 0o077 == 0
    drawn = dict(line.split("=", 1) for line in file.read_text("utf-8").splitlines())
    assert text_of(drawn["BRIDGE_SIGNING_SECRET"]) == drawn.pop("BRIDGE_SIGNING_TEXT")
    service = COMPOSE["services"]["bridge"]["environment"]
    given = {
        name: re.sub(r"\$\{(\w+).*\}", lambda found: drawn.get(found[1], ""), value)
        for name, value in service.items()
    }
    config = load({}, given, tmp_path, presets=built_in())
    assert [*config.providers] == ["sandbox"]
    assert config.clients["default"].signing_secrets


def test_pasting_it_again_keeps_the_key_that_opens_the_database(tmp_path: Path) -> None:
    """
    What is sealed with a key that is gone is lost.
    """
    [drawing] = re.findall(r"(?ms)^```sh\n(text=.*?)^```$", PAGE)
    (tmp_path / ".env").write_text("BRIDGE_ENCRYPTION_KEYS=first")
    again = subprocess.run(
        ["sh", "-c", drawing], cwd=tmp_path, capture_output=True, check=False
    )
    assert again.returncode != 0
    assert (tmp_path / ".env").read_text("utf-8") == "BRIDGE_ENCRYPTION_KEYS=first"


def test_the_unit_waits_longer_than_the_bridge_does() -> None:
    """
    A supervisor that is less patient kills attempts that would have been recorded.
    """
    [waits_s] = re.findall(r"(?m)^TimeoutStopSec=([0-9]+)$", PAGE)
    assert int(waits_s) > Config.model_fields["shutdown_grace_s"].default
