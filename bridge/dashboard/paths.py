"""The pages as paths of the API's app: who may see them, forms, and faults as pages."""

import hashlib
from collections.abc import Awaitable, Callable
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from bridge.api import problem
from bridge.api.body import FORM, media_type_of, read_body
from bridge.api.envelope import CLIENT
from bridge.api.parts import Parts, Paths
from bridge.api.resource import Open
from bridge.dashboard.acting import Acting, Form
from bridge.dashboard.pages import SAFE, Pages
from bridge.dashboard.reading import Reading, caller_of
from bridge.dashboard.session import Session, Sessions
from bridge.dashboard.signing_in import Attempts
from bridge.errors import RequestError, StoreUnavailable

FORM_BYTES, FIELDS = 16_384, 50
STATIC = {
    "style.css": "text/css; charset=utf-8",
    "live.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
FORGED = (
    "This form is not one that this bridge gave you, or it is old. Go back, reload the "
    "page and try again."
)

Shown = Callable[[Request, Session], Awaitable[Response]]
Done = Callable[[Request, Session, Form], Awaitable[Response]]


def pages(parts: Parts) -> Paths:
    deps = parts.deps
    shown = Pages(deps.config, deps.clock.now)
    door = Entrance(parts, shown)
    see, act = Reading(parts, shown), Acting(parts, shown)
    return {
        "/dashboard": {"GET": door.page(see.overview)},
        "/dashboard/": {"GET": door.page(see.overview)},
        "/dashboard/sign-in": {"GET": door.form, "POST": door.sign_in},
        "/dashboard/sign-out": {"POST": door.action(door.sign_out)},
        "/dashboard/subscriptions": {"GET": door.page(see.subscriptions)},
        "/dashboard/subscriptions/{id}": {"GET": door.page(see.timeline)},
        "/dashboard/subscriptions/{id}/stop": {"POST": door.action(act.stop)},
        "/dashboard/deliveries": {"GET": door.page(see.deliveries)},
        "/dashboard/deliveries/{id}": {"GET": door.page(see.delivery)},
        "/dashboard/deliveries/{id}/retry": {"POST": door.action(act.retry)},
        "/dashboard/providers": {"GET": door.page(see.providers)},
        "/dashboard/replay": {
            "GET": door.page(see.replay),
            "POST": door.action(act.replay),
        },
        "/dashboard/test": {"GET": door.page(see.test), "POST": door.action(act.test)},
        "/dashboard/static/{name}": {"GET": static},
    }


class Entrance:
    """Lets those in who have signed in, and turns what goes wrong into pages."""

    def __init__(self, parts: Parts, pages: Pages) -> None:
        deps = parts.deps
        self._parts, self._pages = parts, pages
        self._sessions = Sessions(deps.config, parts.keeper, deps.clock.wall)
        self._attempts = Attempts(deps.clock.now)

    def page(self, shown: Shown) -> Open:
        async def let_in(request: Request) -> Response:
            session = self._sessions.of(request)
            if session is None or session.caller is None:
                return self._pages.see("/sign-in", next=wanted(request))
            return await self._told(request, session, lambda: shown(request, session))

        return let_in

    def action(self, done: Done) -> Open:
        async def checked(request: Request) -> Response:
            session = self._sessions.of(request)
            if session is None or session.caller is None:
                return self._pages.see("/sign-in")

            async def act() -> Response:
                form = await form_of(request)
                self._sessions.check(session, request, form.get("token"))
                return await done(request, session, form)

            return await self._told(request, session, act)

        return checked

    async def form(self, request: Request) -> Response:
        """The sign-in page."""
        session = self._sessions.of(request)
        if session is not None and session.caller is not None:
            return self._pages.see(here(request.query_params.get("next", "")))
        return self._sign_in_page(session, request.query_params.get("next", ""))

    def _sign_in_page(
        self, session: Session | None, after: str, fault: str = "", status: int = 200
    ) -> Response:
        begun = session or self._sessions.begin()
        response = self._pages.page(
            "sign_in.html", begun, status=status, after=here(after), fault=fault
        )
        if session is None:
            self._sessions.keep(response, begun)
        return response

    async def sign_in(self, request: Request) -> Response:
        session, after = self._sessions.of(request), ""
        try:
            form = await form_of(request)
            after = form.get("next", "")
            if session is None:
                return self._sign_in_page(None, after, "The form was old. Try again.", 403)
            self._sessions.check(session, request, form.get("token"))
            self._attempts.take(request.client.host if request.client else "")
            caller = self._parts.keeper.who(form.get("key", "").strip())
        except PermissionError:
            return self._pages.page(
                "fault.html", None, status=403, title="Refused", fault=FORGED
            )
        except RequestError as error:
            status = problem.CODES[error.code].status
            return self._sign_in_page(session, after, error.detail, status)
        response = self._pages.see(here(after))
        self._sessions.keep(response, Session(self._sessions.begin().token, caller))
        return response

    async def sign_out(self, _request: Request, _session: Session, _form: Form) -> Response:
        response = self._pages.see("/sign-in")
        self._sessions.end(response)
        return response

    async def _told(
        self, request: Request, session: Session, answer: Callable[[], Awaitable[Response]]
    ) -> Response:
        caller = caller_of(session)
        request.scope[CLIENT] = caller.name
        try:
            self._parts.limit.take(caller)
            return await answer()
        except PermissionError:
            return self._fault(session, 403, "Refused", FORGED)
        except (RequestError, StoreUnavailable) as error:
            told = problem.as_request_error(error)
            status, title = problem.CODES[told.code]
            faults = [f"{each.field}: {each.message}" for each in told.errors]
            return self._fault(session, status, title, told.detail, faults)

    def _fault(
        self, session: Session, status: int, title: str, fault: str, faults: Any = ()
    ) -> Response:
        return self._pages.page(
            "fault.html", session, status=status, title=title, fault=fault, faults=faults
        )


def wanted(request: Request) -> str:
    """Where somebody was going, below /dashboard, to be gone to after signing in."""
    path = request.url.path.rpartition("/dashboard")[2]
    return f"{path}?{request.url.query}" if request.url.query else path


def here(after: str) -> str:
    """A page of ours that may be gone to; whatever else it is, the overview.

    >>> here("/subscriptions/sub_1"), here("//evil.example"), here("https://evil.example")
    ('/subscriptions/sub_1', '', '')
    """
    path = after.partition("?")[0]
    known = path.startswith(
        ("/subscriptions", "/deliveries", "/providers", "/replay", "/test")
    )
    return path if known and path.isprintable() and len(path) < 200 else ""


async def form_of(request: Request) -> dict[str, str]:
    """The last of equal fields counts. Raises RequestError."""
    media_type_of(request, (FORM,))
    raw = await read_body(request, FORM_BYTES)
    try:
        return dict(parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=FIELDS))
    except ValueError:
        raise RequestError("malformed_body", "this is no form of ours") from None


async def static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in STATIC:
        raise RequestError("not_found", "there is no such file")
    body, tag = file(name)
    headers = {**SAFE, "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(None, 304, headers)
    return Response(body, 200, headers, STATIC[name])


@cache
def file(name: str) -> tuple[bytes, str]:
    body = resources.files("bridge.dashboard").joinpath("static", name).read_bytes()
    return body, f'"{hashlib.sha256(body).hexdigest()[:16]}"'
