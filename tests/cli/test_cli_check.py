"""`check`: what it finds in a database, and what it makes of providers' answers."""

import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from bridge.cli.findings import (
    Finding,
    State,
    database_finding,
    judged,
    notice_finding,
    provider_findings,
    sync_finding,
)
from bridge.cli.place import place_of
from bridge.cli.trying import Trial
from bridge.clock import SystemClock
from bridge.config import Config, load
from bridge.errors import ConfigError
from bridge.model import Answer, Observation, PollOutcome, PollRequest
from bridge.providers.configured import configured
from bridge.simulator.demo.child import free_port
from bridge.simulator.provider import ProviderSimulator
from bridge.simulator.receiver import ReceiverSimulator
from bridge.simulator.words import Dialect
from bridge.store.migrate import migrate
from tests.cli.commands import Bridge, invoke, locked, told
from tests.settings import ENOUGH

REQUEST = PollRequest(method="GET", url="https://amux.test/t", headers={})


def config(folder: Path, **providers: Any) -> Config:
    return load({"providers": providers, "database": "sqlite:///bridge.db"}, ENOUGH, folder)


async def found_in(config: Config) -> Finding:
    return await database_finding(config, place_of(config))


@pytest.fixture
async def simulator() -> AsyncIterator[ProviderSimulator]:
    async with ProviderSimulator(SystemClock()) as running:
        yield running


async def test_the_key_and_address_of_each_provider_are_tried(
    tmp_path: Path, simulator: ProviderSimulator
) -> None:
    """A wrong key is otherwise found out when the first video is done."""
    url = simulator.mount("/amux", Dialect.ENVELOPE, key="sk-right")
    ark = simulator.mount("/ark", Dialect.ARK)
    found = await provider_findings(
        config(
            tmp_path,
            right={"preset": "amux", "base_url": url, "api_key": "sk-right"},
            wrong={"preset": "amux", "base_url": url, "api_key": "sk-wrong"},
            keyless={"preset": "amux", "base_url": url},
            ark={"base_url": ark, "api_key": "sk-any"},
            moved={"preset": "amux", "base_url": f"{url}/elsewhere", "api_key": "sk-right"},
            down={"preset": "amux", "base_url": f"http://127.0.0.1:{free_port()}"},
            off={"preset": "amux", "enabled": False},
            sandbox={},
        )
    )
    assert {each.about: each.state for each in found} == {
        "provider right": State.OK,
        "provider wrong": State.FAULT,
        "provider keyless": State.OK,
        "provider ark": State.OK,
        "provider moved": State.FAULT,
        "provider down": State.FAULT,
        "provider sandbox": State.OK,
    }
    details = {each.about: each.detail for each in found}
    assert "the key is refused: check api_key (401" in details["provider wrong"]
    assert "wants the callers' own keys" in details["provider keyless"]
    assert "no answer: connect" in details["provider down"]


async def test_what_a_page_asks_for_is_made_up(
    tmp_path: Path, simulator: ProviderSimulator
) -> None:
    """Params and ids of other shapes must not keep a provider from being tried."""
    url = simulator.mount("/amux", Dialect.ENVELOPE)
    path = "/v1/video/generations/{task_id}"
    params: dict[str, Any] = {
        "app": {"required": True},
        "region": {"required": True, "default": "eu"},
        "mode": {"required": True, "pattern": "check"},
    }
    page = {
        "params": params,
        "request": {"path": path, "query": {"a": "{app}{region}{mode}"}},
    }
    found = await provider_findings(
        config(
            tmp_path,
            asked={"preset": "amux", "base_url": url, "page": page},
            digits={"preset": "amux", "base_url": url, "page": {"task_id": "[0-9]+"}},
            odd={"preset": "amux", "base_url": url, "page": {"task_id": "only-this"}},
        )
    )
    assert [each.state for each in found] == [State.OK, State.OK, State.NOTE]
    assert "use `providers try`" in found[-1].detail


@pytest.mark.parametrize(
    ("outcome", "http", "key", "state"),
    [
        (PollOutcome.NOT_FOUND, 400, "k", State.OK),
        (PollOutcome.NOT_FOUND, 404, None, State.OK),
        (PollOutcome.AUTH, 401, "k", State.FAULT),
        (PollOutcome.AUTH, 401, None, State.OK),
        (PollOutcome.FORBIDDEN, 403, "k", State.WARNING),
        (PollOutcome.THROTTLED, 429, "k", State.WARNING),
        (PollOutcome.MISCONFIGURED, 404, "k", State.FAULT),
        (PollOutcome.MISCONFIGURED, 400, "k", State.WARNING),
        (PollOutcome.UNREACHABLE, None, "k", State.FAULT),
        (PollOutcome.PENDING, 200, "k", State.WARNING),
        (PollOutcome.TRANSIENT, 502, "k", State.WARNING),
    ],
)
def test_each_answer_about_no_task_has_a_meaning(
    outcome: PollOutcome, http: int | None, key: str | None, state: State
) -> None:
    """Only what the operator can mend is a fault."""
    given = {"providers": {"amux": {"api_key": key} if key else {}}}
    provider = configured(load(given, ENOUGH, Path("/nowhere")))["amux"]
    trial = Trial(provider, REQUEST, Answer(http_status=http), Observation(outcome=outcome))
    assert judged(trial)[0] is state


async def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """`check` as root would leave a file that the service cannot open."""
    found = await found_in(config(tmp_path))
    assert found.state is State.NOTE
    assert "does not exist yet" in found.detail
    assert not os.listdir(tmp_path)


async def test_a_database_of_an_older_version_is_not_migrated(tmp_path: Path) -> None:
    """Checking the new version's configuration must not shut out the old version."""
    (tmp_path / "bridge.db").touch()
    found = await found_in(config(tmp_path))
    assert (found.state, "has an older schema" in found.detail) == (State.NOTE, True)
    with closing(sqlite3.connect(tmp_path / "bridge.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (0,)


async def test_a_database_in_use_is_left_alone(tmp_path: Path) -> None:
    """One checks a changed configuration while the bridge runs with the old one."""
    migrated(tmp_path)
    with locked(tmp_path / "bridge.db"):
        found = await found_in(config(tmp_path))
    assert (found.state, "not looked into" in found.detail) == (State.NOTE, True)


def migrated(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "bridge.db", isolation_level=None)) as made:
        migrate(made)


def test_what_serve_would_refuse_is_a_fault(tmp_path: Path) -> None:
    """A client or provider gone from the file: best known before the restart, not by it."""
    with Bridge(tmp_path, BRIDGE_LISTEN="127.0.0.1:0", **ENOUGH) as bridge:
        env = ENOUGH | {"BRIDGE_URL": bridge.url}
        task = ("subscribe", "amux", "t1", "--provider-key", "sk-1")
        assert invoke(*task, env=env).exit_code == 0
        assert invoke("check", "--offline", env=ENOUGH).exit_code == 0
        without = {
            "BRIDGE_ENCRYPTION_KEYS": ENOUGH["BRIDGE_ENCRYPTION_KEYS"],
            "BRIDGE_CLIENTS__OTHER__API_KEYS": ENOUGH["BRIDGE_API_KEY"],
            "BRIDGE_CLIENTS__OTHER__SIGNING_SECRETS": ENOUGH["BRIDGE_SIGNING_SECRET"],
            "BRIDGE_PROVIDERS__RONG__API_KEY": "sk-2",
            "BRIDGE_PROVIDERS__AMUX__ENABLED": "false",
        }
        while_it_runs = invoke("check", "--offline", env=without)
        bridge.stop()
    stopped = invoke("check", "--offline", env=without)
    for result in (while_it_runs, stopped):
        assert result.exit_code == 2
        assert "✗ config    clients.default: has work in flight, but" in result.stdout
        assert "✗ config    providers.amux: has tasks in flight, but" in result.stdout
        assert "--abandon" in result.stdout
    assert set(os.listdir(tmp_path)) == {"bridge.db", "bridge.db.lock"}


async def test_a_good_database_opens_and_waits_for_the_disk(tmp_path: Path) -> None:
    """Without that a 202 means nothing."""
    migrated(tmp_path)
    found = await found_in(config(tmp_path))
    assert found == Finding("database", State.OK, "opens, and waits for the disk")
    assert sync_finding(False).state is State.FAULT


def notifying(folder: Path, url: str | None) -> Config:
    secret = {"signing_secret": ENOUGH["BRIDGE_SIGNING_SECRET"]}
    given = {"notify": {"url": url, **secret}, "callbacks": {"allow_hosts": ["127.0.0.1"]}}
    return load(given, ENOUGH, folder)


async def test_a_test_notice_is_sent_signed_and_judged(tmp_path: Path) -> None:
    """The night when the first real one is due is a bad time to find out."""
    secrets = [ENOUGH["BRIDGE_SIGNING_SECRET"]]
    async with ReceiverSimulator(SystemClock(), secrets=secrets) as receiver:
        good = await notice_finding(notifying(tmp_path, f"{receiver.url}/ok"))
        bad = await notice_finding(notifying(tmp_path, f"{receiver.url}/no-such-path"))
    assert (good.state, good.detail) == (State.OK, "a test notice was accepted (200)")
    assert (bad.state, "(404" in bad.detail) == (State.FAULT, True)
    sent = receiver.requests[0]
    event = orjson.loads(sent.body)
    assert (sent.fault, event["test"], event["id"]) == (None, True, sent.webhook_id)
    assert event["type"] == "provider.key_refused"
    assert "a test of poll-bridge" in event["data"]["message"]


async def test_a_test_notice_that_goes_nowhere_is_a_fault(tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}/secret-path"
    found = await notice_finding(notifying(tmp_path, nowhere))
    assert found.state is State.FAULT
    assert "no answer" in found.detail
    assert "secret-path" not in found.detail
    unset = await notice_finding(notifying(tmp_path, None))
    assert (unset.state, "not set" in unset.detail) == (State.FAULT, True)


def test_a_notice_that_nobody_would_get_gives_a_code(tmp_path: Path) -> None:
    """Asked for, it is part of what must work."""
    result = invoke("check", "--offline", "--notify", env=ENOUGH)
    assert result.exit_code == 1
    assert "notify.url is not set" in result.stdout


def test_what_is_wrong_first_gives_the_code(tmp_path: Path) -> None:
    """0, 1, 2 and 3 want different people."""
    down = f"http://127.0.0.1:{free_port()}"
    amux = {"BRIDGE_PROVIDERS__AMUX__BASE_URL": down}
    assert invoke("check", env=ENOUGH | amux).exit_code == 1
    assert invoke("check", "--offline", env=ENOUGH | amux).exit_code == 0
    (tmp_path / "text.db").write_text("not a database at all")
    broken = ENOUGH | {"BRIDGE_DATABASE": "sqlite:///text.db"}
    result = invoke("check", "--offline", env=broken)
    assert result.exit_code == 3
    assert "✗ database  text.db: file is not a database" in result.stdout
    assert invoke("check", env={"BRIDGE_LISTEN": "x"}).exit_code == 2


def test_programs_are_told_the_same(tmp_path: Path) -> None:
    """A pipeline shows the findings, faulty configuration included."""
    invoke("migrate", env=ENOUGH)
    good = told("check", "--offline", env=ENOUGH)
    assert good == {
        "ok": True,
        "checks": [
            {"about": "config", "state": "ok", "detail": "1 client, 5 providers"},
            {
                "about": "database",
                "state": "ok",
                "detail": "opens, and waits for the disk",
            },
        ],
    }
    bad = told("check", env={"BRIDGE_LISTEN": "x"})
    assert (bad["ok"], {each["state"] for each in bad["checks"]}) == (False, {"fault"})
    with pytest.raises(ConfigError) as caught:
        load({}, {"BRIDGE_LISTEN": "x"}, tmp_path)
    assert [each["detail"] for each in bad["checks"]] == list(caught.value.faults)
