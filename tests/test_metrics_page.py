"""docs/metrics.md, docs/alerts.yaml and docs/grafana.json speak of what a node exports."""

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from bridge import duration
from bridge.api.app import create_app
from bridge.assembly import Current, built
from bridge.config import Config
from bridge.metrics import Metrics
from bridge.providers.configured import configured
from bridge.signature import mint
from tests.api.conftest import served
from tests.conftest import ENCRYPTION_KEY

DOCS = Path(__file__).parent.parent / "docs"
KEY = "an-api-key-of-an-operator"
OURS = "bridge_"
ADDED = {"instance", "job"}  # to every series, by Prometheus
OPEN = {"provider", "route", "status", "method", "version", *ADDED}  # any value may come

_STRING = re.compile(r'"[^"]*"')
_SELECTOR = re.compile(r"([a-z_:][a-z0-9_:]*)(?:\{([^}]*)\})?(?![\w:]|\s*\()")
_MATCHER = re.compile(r'([a-z_]+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left)\s*\(([^)]*)\)")
_WORDS = {"and", "or", "unless", "by", "on", "without", "ignoring", "group_left"}
_RANGE = re.compile(r"\[([^\]]+)\]")


@dataclass
class Family:
    kind: str
    help: str
    labels: set[str]


class Exported:
    """What was read from a node's /metrics."""

    def __init__(self, text: str) -> None:
        self.families: dict[str, Family] = {}
        self.labels: defaultdict[str, set[str]] = defaultdict(set)  # by series
        self.values: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for each in text_string_to_metric_families(text):
            if each.name.endswith("_created"):  # beside each counter and histogram
                continue
            name = f"{each.name}_total" if each.type == "counter" else each.name
            family = Family(each.type, each.documentation, set())
            self.families[name] = family
            for sample in each.samples:
                self.labels[sample.name] |= sample.labels.keys()
                family.labels |= sample.labels.keys() - {"le"}
                for label, value in sample.labels.items():
                    self.values[sample.name, label].add(value)


async def read(folder: Path) -> str:
    """A node that has looked once at its database, and was asked once."""
    config = Config.model_validate(
        {
            "database": f"sqlite:///{folder / 'bridge.db'}",
            "encryption_keys": [ENCRYPTION_KEY],
            "clients": {
                "ops": {
                    "api_keys": [KEY],
                    "role": "operator",
                    "signing_secrets": [mint()],
                }
            },
            "providers": {"amux": {"preset": "amux", "api_key": "sk-amux"}},
        }
    )
    current = Current(config, configured(config))
    headers = {"Authorization": f"Bearer {KEY}"}
    async with built(current, lambda: False) as bridge:
        bridge.health.beat("upkeep", bridge.clock.now())
        await bridge.upkeep.turn()
        async with (
            served(create_app(bridge.deps)) as url,
            aiohttp.ClientSession(headers=headers) as http,
        ):
            await (await http.get(f"{url}/providers")).read()
            async with http.get(f"{url}/metrics") as answer:
                assert answer.status == 200
                return await answer.text()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return Exported(asyncio.run(read(tmp_path_factory.mktemp("node"))))


def faults_of(expression: str, exported: Exported) -> Iterator[str]:
    """What in it would select nothing, or is not PromQL."""
    bare = _STRING.sub('""', expression)
    if any(bare.count(a) != bare.count(b) for a, b in ("()", "[]", "{}")):
        yield "its brackets do not match"
    for span in _RANGE.findall(bare):
        if span != "$__rate_interval" and not re.fullmatch(r"[0-9]+[smhd]", span):
            yield f"[{span}] is no range"
    names = set()
    for name, matchers in _SELECTOR.findall(
        _RANGE.sub(" ", _GROUPING.sub(" ", expression))
    ):
        if name in _WORDS or not re.search("[a-z]{3}", name) or name == "le":
            continue
        names.add(name)
        if name not in exported.labels:
            yield f"{name} is not exported"
        for label, way, value in _MATCHER.findall(matchers):
            yield from _label_faults(name, label, way, value, exported)
    known = ADDED.union(*(exported.labels[name] for name in names))
    for labels in _GROUPING.findall(expression):
        for label in filter(None, re.split(r"[,\s]+", labels)):
            if label not in known:
                yield f"nothing has the label {label}"
    if not names:
        yield "it selects nothing"


def _label_faults(
    name: str, label: str, way: str, value: str, exported: Exported
) -> Iterator[str]:
    if label not in exported.labels[name] | ADDED:
        yield f"{name} has no label {label}"
    elif label not in OPEN:
        wanted = value.split("|") if "~" in way else [value]
        for each in wanted:
            if each not in exported.values[name, label]:
                yield f"{name} is never {label}={each!r}"


def rules() -> list[dict[str, Any]]:
    [group] = yaml.safe_load((DOCS / "alerts.yaml").read_text("utf-8"))["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def panels() -> list[dict[str, Any]]:
    found = json.loads((DOCS / "grafana.json").read_text("utf-8"))["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def test_every_alert_is_about_what_is_exported(exported: Exported) -> None:
    """An alert on a metric that does not exist never fires."""
    faults = {
        rule["alert"]: found
        for rule in rules()
        if (found := list(faults_of(rule["expr"], exported)))
    }
    assert faults == {}


def test_every_chart_is_about_what_is_exported(exported: Exported) -> None:
    """An empty chart looks like a quiet night."""
    targets = [(panel["title"], each) for panel in panels() for each in panel["targets"]]
    faults = {
        title: found
        for title, target in targets
        if (found := list(faults_of(target["expr"], exported)))
    }
    assert len(targets) > 20
    assert faults == {}


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("rate(bridge_pols_total[5m])", "bridge_pols_total is not exported"),
        ("rate(bridge_polls_per_task[5m])", "bridge_polls_per_task is not exported"),
        (
            'bridge_ends_total{result="failed"}',
            "bridge_ends_total has no label result",
        ),
        (
            'bridge_ends_total{outcome=~"failed|lost"}',
            "bridge_ends_total is never outcome='lost'",
        ),
        ("sum by (host) (bridge_ready)", "nothing has the label host"),
        ("rate(bridge_polls_total[5])", "[5] is no range"),
        ("sum(bridge_ready", "its brackets do not match"),
        ("vector(1)", "it selects nothing"),
    ],
)
def test_a_wrong_expression_is_noticed(
    expression: str, fault: str, exported: Exported
) -> None:
    """Or the two tests above would find nothing, whatever there is."""
    assert fault in list(faults_of(expression, exported))


def test_alerts_are_rules_of_prometheus() -> None:
    """It refuses the whole file for one fault."""
    assert len({rule["alert"] for rule in rules()}) == len(rules()) >= 10
    for rule in rules():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert duration.seconds(rule.get("for", "1s")) > 0
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert set(rule["annotations"]) == {"summary", "action"}
        named = re.findall(r"\$labels\.([a-z_]+)", rule["annotations"]["summary"])
        assert set(named) <= {"provider", "loop"}


def test_charts_do_not_lie_on_each_other() -> None:
    """Grafana would move them about; and ids have to differ."""
    places: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24
        assert not cells & places, panel["title"]
        places |= cells
    assert len({panel["id"] for panel in panels()}) == len(panels())


def row_of(name: str, family: Family) -> str:
    """All of a row of the page but its last cell, which says what to do."""
    unit = "seconds" if name.endswith("_seconds") else "count"
    unit = "0 or 1" if name in FLAGS else unit
    labels = " ".join(f"`{each}`" for each in sorted(family.labels))
    return f"| `{name}` | {family.kind}, {unit} | {labels} | {family.help} |"


FLAGS = {
    "bridge_build_info",
    "bridge_provider_down",
    "bridge_provider_key_refused",
    "bridge_ready",
}


def test_the_page_has_every_metric_as_it_is_exported(exported: Exported) -> None:
    """Put the rows that this prints into docs/metrics.md, and say what to do."""
    page = (DOCS / "metrics.md").read_text("utf-8")
    shown = dict(re.findall(r"(?m)^((\| `bridge_\w+` \|).*)$", page))
    rows = {
        row_of(name, family)
        for name, family in exported.families.items()
        if name.startswith(OURS)
    }
    told = {row.rpartition(" | ")[0] + " |": row.rpartition(" | ")[2] for row in shown}
    assert rows - told.keys() == set()
    assert told.keys() - rows == set()
    assert [row for row, what in told.items() if len(what) < 4] == []


def test_every_alert_is_on_the_page() -> None:
    """Whoever is woken looks for the name of what has woken them."""
    page = (DOCS / "metrics.md").read_text("utf-8")
    assert set(re.findall(r"`(Bridge[A-Za-z]+)`", page)) == {r["alert"] for r in rules()}


def test_no_label_can_grow_without_end(exported: Exported) -> None:
    """An id in a label is a new series for each task, until nothing answers any more."""
    bounded = OPEN | {"outcome", "how", "state", "loop", "kind", "le"}
    labels = {name for name in exported.labels if name.startswith(OURS)}
    assert {one for name in labels for one in exported.labels[name]} <= bounded


def test_a_provider_that_is_taken_out_wakes_nobody_any_more() -> None:
    """It was down, and a reload has done away with it."""
    metrics = Metrics()
    metrics.provide(["amux", "rong"])
    metrics.provider_down.labels("amux").set(1)
    metrics.provide(["rong"])

    def down(name: str) -> float | None:
        return metrics.registry.get_sample_value("bridge_provider_down", {"provider": name})

    assert (down("amux"), down("rong")) == (None, 0.0)


def test_no_label_has_values_that_callers_choose(exported: Exported) -> None:
    """Models, ids and URLs would make a series each, for ever."""
    found = {label for family in exported.families.values() for label in family.labels}
    closed = {"outcome", "how", "loop", "kind", "state"}
    assert found <= closed | (OPEN - ADDED)
