"""The whole answer of a simulated provider: a good body, a refusal, or rubbish."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from bridge.model import Answer
from bridge.simulator import refusals
from bridge.simulator.dialects import body
from bridge.simulator.parts import Site
from bridge.simulator.script import Fault, World
from bridge.simulator.words import Dialect

HUGE_BYTES = 64 * 1024 * 1024  # twice what a careful caller reads
STRANGE_WORD = "archiving"  # no page knows it


def answer(dialect: Dialect, world: World, site: Site) -> Answer:
    """What a caller gets for one question about the task.

    `failure` "timeout" stands for silence and `too_large` for more bytes than are put into
    `body`: a server plays both, a caller in the same program takes them as they are.
    """
    if world.step.fault is None:
        return _good(dialect, world, site)
    return _FAULTS[world.step.fault](dialect, world, site)


def _good(dialect: Dialect, world: World, site: Site) -> Answer:
    return refusals.said(dialect, 200, body(dialect, world, site), task_id=world.task_id)


def _empty(dialect: Dialect, world: World, _: Site) -> Answer:
    return Answer(http_status=200, headers=refusals.marks(dialect, world.task_id))


def _html(_: Dialect, __: World, ___: Site) -> Answer:
    return refusals.dashboard()


def _truncated(dialect: Dialect, world: World, site: Site) -> Answer:
    good = _good(dialect, world, site)
    return replace(good, body=good.body[: len(good.body) // 2])


def _no_status(dialect: Dialect, world: World, site: Site) -> Answer:
    """An envelope around nothing; elsewhere the object without its status."""
    good = body(dialect, world, site)
    bare = (
        {"code": "success", "data": None}
        if "data" in good
        else {name: value for name, value in good.items() if name != "status"}
    )
    return refusals.said(dialect, 200, bare, task_id=world.task_id)


def _unknown_word(dialect: Dialect, world: World, site: Site) -> Answer:
    stored = dialect in (Dialect.ENVELOPE, Dialect.ENVELOPE_LEGACY)
    word = STRANGE_WORD.upper() if stored else STRANGE_WORD
    strange = body(dialect, world, site, word=word)
    return refusals.said(dialect, 200, strange, task_id=world.task_id)


def _flipped(dialect: Dialect, world: World, site: Site) -> Answer:
    return _good(_OTHER_SHAPE[dialect], world, site)


def _foreign(dialect: Dialect, world: World, site: Site) -> Answer:
    return _good(dialect, replace(world, task_id=f"other-{world.task_id}"), site)


def _huge(dialect: Dialect, world: World, _: Site) -> Answer:
    headers = {"content-type": refusals.JSON, **refusals.marks(dialect, world.task_id)}
    return Answer(http_status=200, headers=headers, too_large=True)


def _hang(_: Dialect, __: World, ___: Site) -> Answer:
    return Answer(http_status=None, failure="timeout")


def _broken(_: Dialect, world: World, __: Site) -> Answer:
    return refusals.broken(world.step.http_status)


def _throttled(dialect: Dialect, world: World, _: Site) -> Answer:
    return refusals.throttled(dialect, world.task_id, world.step.retry_after_s)


def _unauthorized(dialect: Dialect, world: World, _: Site) -> Answer:
    return refusals.unauthorized(dialect, world.task_id)


def _forbidden(dialect: Dialect, world: World, _: Site) -> Answer:
    return refusals.forbidden(dialect, world.task_id)


def _not_found(dialect: Dialect, world: World, _: Site) -> Answer:
    return refusals.not_found(dialect, world.task_id)


_OTHER_SHAPE: Mapping[Dialect, Dialect] = MappingProxyType(
    {
        Dialect.SANDBOX: Dialect.ENVELOPE,
        Dialect.FLAT_SUCCEEDED: Dialect.ENVELOPE,
        Dialect.FLAT_COMPLETED: Dialect.ENVELOPE,
        Dialect.ENVELOPE: Dialect.REALTIME,
        Dialect.ENVELOPE_LEGACY: Dialect.REALTIME,
        Dialect.REALTIME: Dialect.ENVELOPE,
        Dialect.OPENAI_VIDEO: Dialect.ENVELOPE,
        Dialect.ARK: Dialect.FLAT_SUCCEEDED,
    }
)
_FAULTS: Mapping[Fault, Callable[[Dialect, World, Site], Answer]] = MappingProxyType(
    {
        Fault.EMPTY: _empty,
        Fault.HTML: _html,
        Fault.TRUNCATED: _truncated,
        Fault.NO_STATUS: _no_status,
        Fault.UNKNOWN_WORD: _unknown_word,
        Fault.FLIPPED: _flipped,
        Fault.FOREIGN: _foreign,
        Fault.HUGE: _huge,
        Fault.HANG: _hang,
        Fault.BROKEN: _broken,
        Fault.THROTTLED: _throttled,
        Fault.UNAUTHORIZED: _unauthorized,
        Fault.FORBIDDEN: _forbidden,
        Fault.NOT_FOUND: _not_found,
    }
)
