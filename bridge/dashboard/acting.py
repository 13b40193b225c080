"""The buttons. Each does what a call of the API does, by the same function."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from bridge.api.choosing import body_of
from bridge.api.parts import Parts
from bridge.dashboard.pages import Pages
from bridge.dashboard.reading import CHOICES, caller_of
from bridge.dashboard.session import Session

Form = Mapping[str, Any]
REPLAYED = ("state", "since", "until", "host", "client")
TESTED = ("callback_url", "type", "format")


class Acting:
    def __init__(self, parts: Parts, pages: Pages) -> None:
        self._parts, self._pages = parts, pages

    async def stop(self, request: Request, session: Session, _form: Form) -> Response:
        subscription_id = request.path_params["id"]
        await self._parts.subscriptions.end_wish(subscription_id, caller_of(session))
        return self._pages.see(f"/subscriptions/{subscription_id}", done="stopped")

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
        """First how many there are; then, on a second click, all of these."""
        caller = caller_of(session)
        given = {name: form[name] for name in REPLAYED if form.get(name)}
        for name in ("since", "until"):
            if name in given:
                given[name] = instant(given[name])
        sure = form.get("sure") == "yes"
        body = body_of({**given, "dry_run": not sure}, caller)
        count = await self._parts.replaying.replayed(body, caller)
        return self._pages.page(
            "replay.html",
            session,
            given=given,
            count=None if sure else count,
            taken=count if sure else None,
        )

    async def test(self, _request: Request, session: Session, form: Form) -> Response:
        given = {name: form[name] for name in TESTED if form.get(name)}
        trial = await self._parts.trying.tried(given, caller_of(session))
        return self._pages.page("test.html", session, given=given, trial=trial, **CHOICES)


def instant(text: str) -> str:
    """What a browser's field for a time gives, in UTC, as the API takes it.

    >>> instant("2026-11-25T13:00"), instant("2026-11-25T13:00:05Z"), instant("soon")
    ('2026-11-25T13:00:00Z', '2026-11-25T13:00:05Z', 'soon')
    """
    if len(text) == len("2026-11-25T13:00"):
        return f"{text}:00Z"
    return f"{text}Z" if len(text) == len("2026-11-25T13:00:00") else text
