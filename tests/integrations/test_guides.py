"""The guide of each tool, and the compose profile: complete, and true to the files."""

import re
import shlex
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from bridge.api.models import SubscribeBody
from bridge.simulator.script import magic
from tests.integrations.files import INTEGRATIONS, ROOT

GUIDES = ("n8n", "zapier", "make", "chat")
DATA = ("-d", "--data-urlencode")
PARTS = ["What you need", "Steps", "When it does not work"]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text("utf-8"))

each = pytest.mark.parametrize("name", GUIDES)


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text("utf-8")


def anchors(text: str) -> set[str]:
    """As code hosts make them of headings."""
    headings = re.findall(r"(?m)^#+ (.+)$", text)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@each
def test_each_guide_has_the_same_parts(name: str) -> None:
    """
    Who is stuck looks for the last part first.
    """
    assert re.findall(r"(?m)^## (.+)$", page(name)) == PARTS


@each
def test_each_guide_says_what_the_usual_refusals_mean(name: str) -> None:
    """
    Four codes are four different faults in every tool, and none of them says which.
    """
    told = page(name).split(f"\n## {PARTS[-1]}\n")[1]
    rows = "\n".join(line for line in told.splitlines() if line.startswith("| "))
    assert [code for code in ("404", "403", "409", "410") if code not in rows] == []


@each
def test_a_url_that_is_pasted_is_enough(name: str) -> None:
    """
    Most people have a URL and no wish to read on.
    """
    [pasted] = re.findall(r"(?ms)^    ```sh\n(.*?)^    ```$", page(name))
    words = shlex.split(pasted)
    values = [words[n + 1] for n, each in enumerate(words) if each in DATA]
    fields = dict(each.split("=", 1) for each in values)
    assert fields["callback_url"] == "PASTE-THE-URL"
    fields["callback_url"] = "https://hooks.example.com/x"
    body = SubscribeBody.model_validate(fields)
    assert magic(body.task_id) is not None
    assert words[1].endswith("/subscribe")
    assert words[words.index("-H") + 1].startswith("X-API-Key: ")
    assert "*Test*" in page(name)


@each
def test_every_link_leads_somewhere(name: str) -> None:
    """
    A page that was moved leaves readers at an error page of the code host.
    """
    for link in re.findall(r"\]\(([^)\s]+)\)", page(name)):
        path, _, anchor = link.partition("#")
        target = ROOT / "docs" / path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text("utf-8")), link


def test_each_guide_is_found_from_the_readme_and_the_page_of_receivers() -> None:
    """
    A guide that nothing leads to is read by nobody.
    """
    for name in GUIDES:
        assert f"](docs/{name}.md)" in (ROOT / "README.md").read_text("utf-8")
        assert f"]({name}.md)" in page("receiving")


def test_the_files_that_guides_name_are_all_there_are() -> None:
    """
    A file that was renamed is looked for in vain; one that is not named is not found.
    """
    files = {path.name for path in (INTEGRATIONS / "n8n").glob("*.json")}
    assert files == {*re.findall(r"`([a-z-]+\.json)`", page("n8n"))}
    named = {*re.findall(r"(?m)^    \| `([^`]+)`", page("make"))}
    assert all((INTEGRATIONS / "make" / path).exists() for path in named)
    for part in (INTEGRATIONS / "make").rglob("*.json"):
        place = part.relative_to(INTEGRATIONS / "make").as_posix()
        assert any(place.startswith(path) for path in named), place


def test_the_profile_puts_n8n_and_the_bridge_in_one_network() -> None:
    """
    With an address that the other cannot resolve, the flow sleeps until its limit.
    """
    bridge, n8n = COMPOSE["services"]["bridge"], COMPOSE["services"]["n8n"]
    assert n8n["profiles"] == ["n8n"]
    assert "profiles" not in bridge
    assert "networks" not in bridge | n8n  # so both are in the project's own
    assert urlsplit(n8n["environment"]["WEBHOOK_URL"]).hostname == "n8n"
    assert "BRIDGE_ALLOW_HOSTS=n8n" in page("n8n")
    assert "BRIDGE_ALLOW_HOSTS" in bridge["environment"]["BRIDGE_CALLBACKS__ALLOW_HOSTS"]
    used = (INTEGRATIONS / "n8n" / "submit-and-wait.json").read_text("utf-8")
    assert '"http://bridge:8080"' in used


def test_n8n_has_the_variables_that_the_workflows_read() -> None:
    """
    A variable that does not reach n8n refuses every webhook.
    """
    text = "".join(
        path.read_text("utf-8") for path in (INTEGRATIONS / "n8n").glob("*.json")
    )
    read = {*re.findall(r"\$env\.(\w+)", text)}
    n8n = COMPOSE["services"]["n8n"]
    assert read == {"BRIDGE_SIGNING_TEXT", "CHAT_WEBHOOK_URL"}
    assert read <= {*n8n["environment"]}
    assert n8n["environment"]["N8N_BLOCK_ENV_ACCESS_IN_NODE"] == "false"
    assert ":1.123." in n8n["image"]  # the version whose nodes test_n8n.py lists


def test_ports_are_open_on_this_machine_only() -> None:
    """
    An n8n that was just installed belongs to whoever opens it first.
    """
    ports = [
        port for each in COMPOSE["services"].values() for port in each.get("ports", [])
    ]
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)
