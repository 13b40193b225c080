"""What `check` finds out: about the database, and about each provider."""

import asyncio
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from bridge.cli.beside import Beside, Condition
from bridge.cli.exits import lines
from bridge.cli.place import place_of
from bridge.cli.telling import tried
from bridge.cli.trying import Asker, Trial, asking
from bridge.config import Config
from bridge.errors import BridgeError, ConfigError, StoreLocked, StoreUnavailable
from bridge.model import AttemptOutcome, PollOutcome
from bridge.providers.page import Page
from bridge.receivers.hints import hint
from bridge.tracing import otlp
from bridge.vault import Vault

ANSWER_S = 10.0
BAD_REQUEST = (400, 422)


class State(StrEnum):
    OK = "ok"
    NOTE = "note"  # could not be found out, or need not be
    WARNING = "warning"  # works, perhaps not as it is meant to
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    about: str  # config, database, provider NAME, notify
    state: State
    detail: str


async def examined(config: Config, *, offline: bool, notify: bool = False) -> list[Finding]:
    """Everything there is to say of a configuration that can be read."""
    try:
        place = place_of(config)
    except ConfigError as error:
        return [Finding("config", State.FAULT, fault) for fault in error.faults]
    findings = [
        *await config_findings(config, place),
        await database_finding(config, place),
    ]
    if not offline:
        findings += await provider_findings(config)
    if notify:
        findings.append(await notice_finding(config))
    return findings


async def config_findings(config: Config, place: Beside) -> list[Finding]:
    """Whether `serve` would take it, with what is in the database."""
    clients = len(config.clients)
    providers = sum(each.enabled for each in config.providers.values())
    counts = f"{counted(clients, 'client')}, {counted(providers, 'provider')}"
    try:
        lost = [*unconfigured(config, *await work_in_flight(place))]
    except StoreUnavailable:
        lost = []  # a finding about the database, which is to come
    except ConfigError as error:
        lost = [*error.faults]
    if (fault := otlp.fault_of(config.traces.endpoint)) is not None:
        lost.append(fault)
    found = [Finding("config", State.FAULT, what) for what in lost]
    return found or [Finding("config", State.OK, counts)]


async def work_in_flight(place: Beside) -> tuple[set[str], set[str]]:
    """Clients and providers that have some. Found out beside a bridge that runs, too."""
    if await place.condition() is not Condition.CURRENT:
        return set(), set()
    return await place.in_use()


def unconfigured(config: Config, clients: set[str], providers: set[str]) -> Iterator[str]:
    """What `serve` refuses to start without."""
    advice = "but is not configured; put it back, or start once with --abandon"
    running = {name for name, each in config.providers.items() if each.enabled}
    for name in sorted(clients - config.clients.keys()):
        yield f"clients.{name}: has work in flight, {advice}"
    for name in sorted(providers - running):
        yield f"providers.{name}: has tasks in flight, {advice}"


def counted(count: int, what: str) -> str:
    """
    >>> counted(1, "client"), counted(0, "provider")
    ('1 client', '0 providers')
    """
    return f"{count} {what}{'' if count == 1 else 's'}"


async def database_finding(config: Config, place: Beside) -> Finding:
    """Whether it opens and syncs. One that is not there, or old, is left as it is."""
    try:
        condition = await place.condition()
        if condition is not Condition.CURRENT:
            return Finding("database", State.NOTE, f"{place.name}: {condition}")
        vault = Vault([key.get_secret_value() for key in config.encryption_keys])
        return sync_finding(*await place.trial(vault))
    except StoreLocked as error:
        return Finding("database", State.NOTE, f"{error}; not looked into")
    except BridgeError as error:
        what = "; ".join(lines(error)).removeprefix("database: ")
        return Finding("database", State.FAULT, what)


def sync_finding(synced: bool, more: str = "") -> Finding:
    if synced:
        return Finding("database", State.OK, f"opens, and waits for the disk{more}")
    return Finding("database", State.FAULT, "opens, but does not wait for the disk")


async def notice_finding(config: Config) -> Finding:
    """Whether what `serve` would tell the operator arrives."""
    if config.notify.url is None:
        return Finding("notify", State.FAULT, "notify.url is not set: nobody would be told")
    reply = await tried(config)
    said = "no answer" if reply.http_status is None else str(reply.http_status)
    if reply.outcome is AttemptOutcome.ACCEPTED:
        return Finding("notify", State.OK, f"a test notice was accepted ({said})")
    why = reply.detail or reply.outcome.value
    advice = hint(reply, "POST")
    detail = f"a test notice was not accepted ({said}: {why})"
    return Finding("notify", State.FAULT, f"{detail}; {advice}" if advice else detail)


async def provider_findings(config: Config) -> list[Finding]:
    """One question to each provider that is switched on, all at the same time."""
    async with asking(config) as asker, asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(provider_finding(asker, name)) for name in asker.providers
        ]
    return [task.result() for task in tasks]


async def provider_finding(asker: Asker, name: str) -> Finding:
    about, page = f"provider {name}", asker.providers[name].page
    params = dict(made_up_params(page))
    task_id = next(
        (each for each in made_up_ids() if not asker.faults(name, each, params)), None
    )
    if task_id is None:
        detail = "no made-up task fits its page; use `providers try` with a real one"
        return Finding(about, State.NOTE, detail)
    trial = await asker.ask(name, task_id, params, most_s=ANSWER_S)
    state, meaning = judged(trial)
    said = trial.seen.detail
    http = trial.answer.http_status
    detail = (
        f"{meaning} ({'no answer' if http is None else http}{f': {said}' if said else ''})"
    )
    return Finding(about, state, detail)


def made_up_ids() -> Iterator[str]:
    """Ids that no provider knows, in the shapes that are about."""
    yield f"poll-bridge-check-{secrets.token_hex(8)}"
    yield f"cgt-20000101000000-{secrets.token_hex(3)[:5]}"
    yield f"task_{secrets.token_hex(16)}"
    token = secrets.token_hex(16)
    yield token
    yield f"{token[:8]}-{token[8:12]}-4{token[13:16]}-8{token[17:20]}-{token[20:]}"
    yield str(10**17 + secrets.randbelow(10**17))


def made_up_params(page: Page) -> Iterator[tuple[str, str]]:
    """Values for what a caller would have to give."""
    for name, param in page.params.items():
        if param.required and param.default is None:
            fitting = [each for each in made_up_ids() if param.pattern.fullmatch(each)]
            yield name, fitting[0] if fitting else "check"


def judged(trial: Trial) -> tuple[State, str]:
    """What the answer about a task that does not exist says of the configuration."""
    keyed = trial.provider.key is not None
    known = {
        PollOutcome.AUTH: (
            (State.FAULT, "the key is refused: check api_key")
            if keyed
            else (State.OK, "is there, and wants the callers' own keys")
        ),
        PollOutcome.FORBIDDEN: (
            State.WARNING,
            "is there, but lets the key see nothing: check its rights and its balance",
        ),
        PollOutcome.THROTTLED: (State.WARNING, "is there, but throttles this key already"),
        PollOutcome.MISCONFIGURED: (
            State.FAULT,
            "answers, but not as its page expects: check base_url",
        ),
        PollOutcome.UNREACHABLE: (State.FAULT, "does not answer: check base_url"),
        PollOutcome.NOT_FOUND: (
            State.OK,
            "is there, and does not refuse the key" if keyed else "is there",
        ),
    }
    odd = (State.WARNING, "is there, but says something odd of a task that does not exist")
    outcome = trial.seen.outcome
    if outcome is PollOutcome.MISCONFIGURED and trial.answer.http_status in BAD_REQUEST:
        return odd  # it may want ids to look like its own
    return known.get(outcome, odd)
