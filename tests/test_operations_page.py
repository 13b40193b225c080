"""What docs/operations.md says of events of the log and of states exists."""

import re
from pathlib import Path

from bridge.config.models import Config
from bridge.model import DeliveryState

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
CODE = "\n".join(path.read_text("utf-8") for path in (ROOT / "bridge").rglob("*.py"))


def test_what_to_look_for_in_the_log_is_logged() -> None:
    """
    People search the log for these words at night.
    """
    log = PAGE.split("6. The log:")[1] + PAGE.split("## Changing keys")[1].split("- **")[0]
    told = set(re.findall(r"`([a-z]+\.[a-z_]+)`", log)) - {"log.level"}
    assert len(told) >= 8
    assert [event for event in told if f'"{event}"' not in CODE] == []


def test_the_states_it_explains_are_states() -> None:
    """
    The list is read by somebody who has such a word before them.
    """
    part = PAGE.split("`delivery.state`")[1].split("\n4. ")[0]
    words = set(re.findall(r"`([a-z]+)`", part)) - {"events"}
    assert words >= {"none", "filtered", "waiting", "retrying", "gone", "exhausted"}
    assert words <= set(DeliveryState)


def test_the_unit_waits_longer_than_the_bridge_does() -> None:
    """
    A supervisor that is less patient kills attempts that would have been recorded.
    """
    [waits_s] = re.findall(r"(?m)^TimeoutStopSec=([0-9]+)$", PAGE)
    assert int(waits_s) > Config.model_fields["shutdown_grace_s"].default
