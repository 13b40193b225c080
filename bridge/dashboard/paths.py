"""The pages as paths of the API's app: who may see them, forms, and faults as pages."""

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from bridge.api import problem
from bridge.api.auth import Caller
from bridge.api.body import FORM, media_type_of, read_body
from bridge.api.envelope import CLIENT
from bridge.api.limits import RequestLimit
from bridge.api.parts import Parts, Paths
from bridge.api.resource import Open
from bridge.dashboard.acting import Acting, Form
from bridge.dashboard.files import static
from bridge.dashboard.pages import Pages
from bridge.dashboard.reading import Reading, caller_of
from bridge.dashboard.session import Session, Sessions
from bridge.dashboard.signing_in import Guesses
from bridge.errors import RequestError, StoreUnavailable
from bridge.rate import Rate

FORM_BYTES, FIELDS = 16_384, 50
LIVE = "x-dashboard-live"  # of what a page asks by itself, to show what is new
REFRESHES = Rate(20, 10.0)  # of a client: six pages that are open in its browsers
FORGED = (
    "This form is not one that this bridge gave you, or it is old. Go back, reload the "
    "page and try again."
)

OLD = RequestError("unauthorized", "The form was old. Try again.")

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
        "/dashboard/sign-in": {
            "GET": door.careful(door.form),
            "POST": door.careful(door.sign_in),
        },
        "/dashboard/sign-out": {"POST": door.action(door.sign_out)},
        "/dashboard/subscriptions": {"GET": door.page(see.subscriptions)},
        "/dashboard/subscriptions/{id}": {"GET": door.page(see.timeline)},
        "/dashboard/subscriptions/{id}/stop": {"POST": door.action(act.stop)},
        "/dashboard/subscriptions/{id}/drop": {
            "GET": door.page(see.owed),
            "POST": door.action(act.drop),
        },
        "/dashboard/subscriptions/{id}/test": {"POST": door.action(act.try_call)},
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
        self._sessions = Sessions(deps.config, parts.keeper, deps.store, deps.clock.wall)
        self._guesses = Guesses(deps.clock.now)
        self._refreshes = RequestLimit(deps.clock.now, deps.nodes, lambda _: REFRESHES)

    def page(self, shown: Shown) -> Open:
        async def let_in(request: Request) -> Response:
            session = await self._sessions.of(request)
            if session is None or session.caller is None:
                return self._pages.see("/sign-in", next=wanted(request))
            limit = self._refreshes if LIVE in request.headers else self._parts.limit
            return await self._told(
                request, session, limit, lambda: shown(request, session)
            )

        return self.careful(let_in)

    def action(self, done: Done) -> Open:
        async def checked(request: Request) -> Response:
            session = await self._sessions.of(request)
            if session is None or session.caller is None:
                return self._pages.see("/sign-in")

            async def act() -> Response:
                form = await form_of(request)
                self._sessions.check(session, request, form.get("token"))
                return await done(request, session, form)

            return await self._told(request, session, self._parts.limit, act)

        return self.careful(checked)

    def careful(self, answer: Open) -> Open:
        """Whether somebody has signed out is asked of the database."""

        async def told(request: Request) -> Response:
            try:
                return await answer(request)
            except StoreUnavailable as error:
                return self._fault(None, problem.as_request_error(error))

        return told

    async def form(self, request: Request) -> Response:
        """The sign-in page."""
        session = await self._sessions.of(request)
        if session is not None and session.caller is not None:
            return self._pages.see(here(request.query_params.get("next", "")))
        return self._sign_in_page(session, request.query_params.get("next", ""))

    def _sign_in_page(
        self, session: Session | None, after: str, fault: RequestError | None = None
    ) -> Response:
        begun = session or self._sessions.begin()
        response = self._pages.page(
            "sign_in.html",
            begun,
            status=problem.CODES[fault.code].status if fault else 200,
            again_s=fault.retry_after_s if fault else None,
            after=here(after),
            fault=fault.detail if fault else "",
        )
        if session is None:
            self._sessions.keep(response, begun)
        return response

    async def sign_in(self, request: Request) -> Response:
        session, after = await self._sessions.of(request), ""
        try:
            form = await form_of(request)
            after = form.get("next", "")
            if session is None:
                return self._sign_in_page(None, after, OLD)
            self._sessions.check(session, request, form.get("token"))
            caller = self._known(request, form.get("key", "").strip())
        except PermissionError:
            return self._refused(None)
        except RequestError as error:
            return self._sign_in_page(session, after, error)
        response = self._pages.see(here(after))
        self._sessions.keep(response, Session(self._sessions.begin().token, caller))
        return response

    def _known(self, request: Request, key: str) -> Caller:
        """Raises RequestError. Only who is wrong is counted."""
        try:
            return self._parts.keeper.who(key)
        except RequestError:
            self._guesses.count(request.client.host if request.client else "")
            raise

    async def sign_out(self, _request: Request, session: Session, _form: Form) -> Response:
        response = self._pages.see("/sign-in")
        await self._sessions.end(session, response)
        return response

    async def _told(
        self,
        request: Request,
        session: Session,
        limit: RequestLimit,
        answer: Callable[[], Awaitable[Response]],
    ) -> Response:
        caller = caller_of(session)
        request.scope[CLIENT] = caller.name
        try:
            limit.take(caller)
            return await answer()
        except PermissionError:
            return self._refused(session)
        except (RequestError, StoreUnavailable) as error:
            return self._fault(session, problem.as_request_error(error))

    def _fault(self, session: Session | None, error: RequestError) -> Response:
        status, title = problem.CODES[error.code]
        return self._pages.page(
            "fault.html",
            session,
            status=status,
            again_s=error.retry_after_s,
            title=title,
            fault=error.detail,
            faults=[f"{each.field}: {each.message}" for each in error.errors],
        )

    def _refused(self, session: Session | None) -> Response:
        return self._pages.page(
            "fault.html", session, status=403, title="Refused", fault=FORGED
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
