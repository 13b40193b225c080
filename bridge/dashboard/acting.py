"""The buttons. Each does what a call of the API does, by the same function."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from bridge.api import idempotency
from bridge.api.choosing import body_of
from bridge.api.parts import Parts
from bridge.api.replaying import ROUTE
from bridge.dashboard.pages import Pages
from bridge.dashboard.reading import CHOICES, caller_of
from bridge.dashboard.session import Session
from bridge.store.rooms.room import minted_key

Form = Mapping[str, Any]
REPLAYED = ("state", "since", "until", "host", "client")
SURE = (*REPLAYED, "limit", "as_of")
TESTED = ("callback_url", "type", "format")


class Acting:
    def __init__(
        self, parts: Parts, pages: Pages, mint: Callable[[], str] = minted_key
    ) -> None:
        self._parts, self._pages, self._mint = parts, pages, mint

    async def stop(self, request: Request, session: Session, _form: Form) -> Response:
        """Who asks has seen it active: if it has ended meanwhile, its end is told."""
        subscription_id, caller = request.path_params["id"], caller_of(session)
        stopped = await self._parts.subscriptions.end_active(subscription_id, caller)
        done = "stopped" if stopped else "over"
        return self._pages.see(f"/subscriptions/{subscription_id}", done=done)

    async def drop(self, request: Request, session: Session, _form: Form) -> Response:
        """What has ended can only be kept from being told any more."""
        subscription_id = request.path_params["id"]
        await self._parts.subscriptions.end_wish(subscription_id, caller_of(session))
        return self._pages.see(f"/subscriptions/{subscription_id}", done="dropped")

    async def try_call(self, request: Request, session: Session, _form: Form) -> Response:
        """Send a test as this subscription is called, and show what came of it."""
        subscription_id, caller = request.path_params["id"], caller_of(session)
        trial = await self._parts.trying.tried_for(subscription_id, caller)
        return self._pages.page(
            "trial.html", session, subscription_id=subscription_id, trial=trial
        )

    async def retry(self, request: Request, session: Session, form: Form) -> Response:
        message_id = request.path_params["id"]
        await self._parts.deliveries.ask_again(message_id, caller_of(session))
        if form.get("from") == "timeline":
            found = await self._parts.deliveries.found(message_id, caller_of(session))
            return self._pages.see(
                f"/subscriptions/{found.subscription_id}", done="retried"
            )
        return self._pages.see(f"/deliveries/{message_id}", done="retried")

    async def replay(self, _request: Request, session: Session, form: Form) -> Response:
        """First how many there are; then, on a second click, these and no others."""
        if form.get("sure") == "yes":
            return await self._replay(session, form)
        caller, given = caller_of(session), given_of(form, REPLAYED)
        counted = await self._parts.replaying.counted(body_of(given, caller), caller)
        again = {"limit": counted.count, **counted.told}
        del again["count"]
        return self._pages.page(
            "replay.html",
            session,
            given=given,
            count=counted.count,
            again={**given, **again, "key": self._mint()},
            taken=None,
        )

    async def _replay(self, session: Session, form: Form) -> Response:
        """A page that is loaded again asks for nothing more: it has the same key."""
        caller, given = caller_of(session), given_of(form, SURE)
        key = idempotency.checked(form.get("key", ""))
        used = idempotency.remembered(ROUTE, key, given)
        body = body_of(given, caller)
        taken, _ = await self._parts.replaying.replayed(body, caller, used)
        shown = {name: given[name] for name in REPLAYED if name in given}
        return self._pages.page(
            "replay.html", session, given=shown, count=None, taken=taken
        )

    async def test(self, _request: Request, session: Session, form: Form) -> Response:
        given = {name: form[name] for name in TESTED if form.get(name)}
        trial = await self._parts.trying.tried(given, caller_of(session))
        return self._pages.page("test.html", session, given=given, trial=trial, **CHOICES)


def given_of(form: Form, names: Sequence[str]) -> dict[str, Any]:
    """What was filled in, as the API takes it."""
    given = {name: form[name] for name in names if form.get(name)}
    times = {name: instant(given[name]) for name in ("since", "until") if name in given}
    return given | times


def instant(text: str) -> str:
    """What a browser's field for a time gives, in UTC, as the API takes it.

    >>> instant("2026-11-25T13:00"), instant("2026-11-25T13:00:05Z"), instant("soon")
    ('2026-11-25T13:00:00Z', '2026-11-25T13:00:05Z', 'soon')
    """
    if len(text) == len("2026-11-25T13:00"):
        return f"{text}:00Z"
    return f"{text}Z" if len(text) == len("2026-11-25T13:00:00") else text
