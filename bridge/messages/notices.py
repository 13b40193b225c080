"""Notices: what the operator is told of by itself, and what each says. Pure.

provider.key_refused     a configured key is refused, and that is confirmed
provider.key_accepted    … and it works again
provider.down            polls of it have had no answer, and it is only probed
provider.recovered       … and it answers again
provider.unknown_status  a status word that no page knows
delivery.exhausted       a webhook was given up
callback.gone            a receiver answered 410
backlog.late             due polls or deliveries wait
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bridge.messages.ids import event_id, message_id
from bridge.rfc3339 import rfc3339

NOBODY = ""  # the client whose the notices are; none that is configured has this name

KEY_REFUSED, KEY_ACCEPTED = "provider.key_refused", "provider.key_accepted"
DOWN, RECOVERED = "provider.down", "provider.recovered"
UNKNOWN_STATUS = "provider.unknown_status"
EXHAUSTED, GONE, LATE = "delivery.exhausted", "callback.gone", "backlog.late"
TYPES = (KEY_REFUSED, KEY_ACCEPTED, DOWN, RECOVERED, UNKNOWN_STATUS, EXHAUSTED, GONE, LATE)

VERSION = 1  # that of all events

LATE_S = 300.0  # an age of the backlog from which on somebody should look
AGAIN_S = 3_600.0  # between two notices of one type and subject

HINTS = {
    KEY_REFUSED: "mend api_key of this provider; its tasks are kept until then",
    DOWN: "its tasks go on when it answers again; GET /providers shows its state",
    UNKNOWN_STATUS: "it counts as pending; add the word to the provider's page",
    EXHAUSTED: "mend the receiver, then send it again: POST /deliveries/{id}/retry",
    GONE: "nothing more is sent there until somebody subscribes with this URL anew",
    LATE: "see what the node waits for: /metrics, /readyz and its log",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """`subject`: of those with the same, one in `AGAIN_S` is told. `data` is what it says
    beside its message and hint, by names that all types share.
    """

    type: str
    subject: str
    message: str  # one sentence, for people
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lost:
    """Deliveries given up, or destinations closed, of one client since the last look."""

    count: int
    host: str  # of the newest
    delivery_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How things are. `refused` and `down` say since when, by provider; `lost` and `gone`
    are by client, `late` has ages in seconds.
    """

    refused: Mapping[str, float] = field(default_factory=dict)
    accepted: frozenset[str] = frozenset()  # providers whose key is known to work
    down: dict[str, float] = field(default_factory=dict)
    up: Mapping[str, float] = field(default_factory=dict)  # when a provider answered last
    words: Sequence[tuple[str, str]] = ()  # provider, and a word of its that nobody knows
    exhausted: Mapping[str, Lost] = field(default_factory=dict)
    gone: Mapping[str, Lost] = field(default_factory=dict)
    late: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Told:
    """Of what the operator is waiting to hear that it is over: providers."""

    refused: frozenset[str] = frozenset()
    down: dict[str, float] = field(default_factory=dict)  # since when

    def after(self, seen: Seen) -> "Told":
        """An answer from before a provider was down, as another node may have had, does
        not say that it is up.
        """
        down = {
            name: since
            for name, since in (seen.down | self.down).items()
            if name in seen.down or seen.up.get(name, since) <= since
        }
        return Told((self.refused | set(seen.refused)) - seen.accepted, down)

    def but(self, notice: Notice, before: "Told") -> "Told":
        """Without what `notice` says, which was not told: so it will be news again."""
        name = notice.subject
        if notice.type in (KEY_REFUSED, KEY_ACCEPTED):
            refused = (self.refused - {name}) | (before.refused & {name})
            return replace(self, refused=refused)
        if notice.type in (DOWN, RECOVERED):
            was = {name: before.down[name]} if name in before.down else {}
            others = {each: at for each, at in self.down.items() if each != name}
            return replace(self, down=others | was)
        return self


def news(told: Told, seen: Seen) -> Iterator[Notice]:
    """What there is to say."""
    now_told = told.after(seen)
    yield from _of_providers(told, now_told, seen)
    for provider, word in seen.words:
        yield Notice(
            type=UNKNOWN_STATUS,
            subject=provider,
            message=f"{provider} has said {word!r}, a status that its page does not know",
            data={"provider": provider, "word": word},
        )
    for client, lost in seen.exhausted.items():
        yield _lost(EXHAUSTED, client, lost, f"{_webhooks(lost.count)} given up")
    for client, lost in seen.gone.items():
        yield _lost(GONE, client, lost, "a receiver answered 410")
    for what, age_s in seen.late.items():
        if age_s >= LATE_S:
            yield Notice(
                type=LATE,
                subject=what,
                message=f"{what} are {age_s / 60:.0f} minutes late",
                data={"backlog": what, "age_seconds": round(age_s)},
            )


def _of_providers(before: Told, after: Told, seen: Seen) -> Iterator[Notice]:
    changes = (
        (KEY_REFUSED, after.refused - before.refused, "refuses its configured key"),
        (KEY_ACCEPTED, before.refused - after.refused, "accepts its configured key again"),
        (DOWN, after.down.keys() - before.down, "does not answer"),
        (RECOVERED, before.down.keys() - after.down, "answers again"),
    )
    since = {KEY_REFUSED: seen.refused, DOWN: seen.down}
    for type_, providers, words in changes:
        for name in sorted(providers):
            at = since.get(type_, {}).get(name)
            yield Notice(
                type=type_,
                subject=name,
                message=f"{name} {words}",
                data={"provider": name, "since": None if at is None else rfc3339(at)},
            )


def _lost(type_: str, client: str, lost: Lost, words: str) -> Notice:
    return Notice(
        type=type_,
        subject=client,
        message=f"{words}: of {client}, the last to {lost.host}",
        data={
            "client": client,
            "host": lost.host,
            "delivery_id": lost.delivery_id,
            "count": lost.count,
        },
    )


def _webhooks(count: int) -> str:
    return "1 webhook was" if count == 1 else f"{count:,} webhooks were"


def event_of(
    notice: Notice, owner_id: str, sequence: int, now: float, *, test: bool = False
) -> dict[str, Any]:
    """In the envelope of all events. The keys of `data` are the same for all types, null
    where they do not apply, so that tools can map them from one sample.
    """
    data: dict[str, Any] = {
        "message": notice.message,
        "hint": HINTS.get(notice.type),
        "provider": None,
        "since": None,
        "word": None,
        "client": None,
        "host": None,
        "delivery_id": None,
        "count": None,
        "backlog": None,
        "age_seconds": None,
        "observed_at": rfc3339(now),
    }
    return {
        "id": message_id(owner_id, sequence),
        "event_id": event_id(owner_id, sequence),
        "type": notice.type,
        "timestamp": rfc3339(now),
        "version": VERSION,
        "test": test,
        "data": data | dict(notice.data),
    }


def sample(type_: str) -> Notice:
    """A notice as `check --notify` sends it."""
    return Notice(
        type=type_,
        subject="check",
        message=f"a test of poll-bridge: notices such as {type_} come here",
    )
