"""The API as an ASGI app."""

import difflib
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.api.accounts import Accounts
from bridge.api.auth import Doorkeeper
from bridge.api.deliveries import Deliveries
from bridge.api.deps import Deps
from bridge.api.describing import Describing
from bridge.api.envelope import Envelope, Traffic
from bridge.api.exposition import Exposition
from bridge.api.hints import Hints
from bridge.api.hooks import Hooks
from bridge.api.limits import RequestLimit
from bridge.api.listing import Listing
from bridge.api.parts import Parts, Paths
from bridge.api.probes import Probes
from bridge.api.replaying import Replaying
from bridge.api.resource import Closed, Door, Open, Resource
from bridge.api.respond import refused
from bridge.api.samples import Samples
from bridge.api.schemas import Schemas
from bridge.api.streaming import Streaming
from bridge.api.subscribing import Subscribing
from bridge.api.subscriptions import Subscriptions
from bridge.api.trying import Trying
from bridge.api.waiting import Waiting
from bridge.errors import RequestError

PATH_SHOWN = 128


def nothing_more(_parts: Parts) -> Paths:
    return {}


def create_app(deps: Deps, more: Callable[[Parts], Paths] = nothing_more) -> Starlette:
    """Call it once for each `deps.registry`, in which its figures are counted. `more` gives
    further paths, whose actions are those of the API.
    """
    keeper, waiting = Doorkeeper(deps.config), Waiting(deps)
    limit = RequestLimit(deps.clock.now, deps.nodes)
    closed = Door(keeper, limit).closed
    hints, accounts, listing = Hints(deps), Accounts(deps), Listing()
    subscribing = Subscribing(deps, waiting, keeper, hints)
    subscriptions = Subscriptions(deps, waiting, listing, hints)
    deliveries = Deliveries(deps, keeper, listing)
    hooks = Hooks(deps, keeper, listing)
    replaying = Replaying(deps, keeper, listing)
    describing = Describing(deps)
    trying = Trying(deps, keeper)
    schemas = Schemas()
    subscribe = closed(subscribing.one)
    # The most frequent first: routes are tried in order.
    paths: Paths = {
        "/subscribe": {"POST": subscribe},
        "/subscriptions": {"GET": closed(subscriptions.list), "POST": subscribe},
        "/subscriptions/{id}": {
            "GET": closed(subscriptions.get),
            "DELETE": closed(subscriptions.stop),
        },
        "/subscriptions/{id}/timeline": {"GET": closed(subscriptions.timeline)},
        "/subscribe/batch": {"POST": closed(subscribing.batch)},
        "/deliveries": {"GET": closed(deliveries.list)},
        "/deliveries/retry": {"POST": closed(replaying.replay)},
        "/deliveries/{id}": {"GET": closed(deliveries.get)},
        "/deliveries/{id}/retry": {"POST": closed(deliveries.retry)},
        "/hooks": {"GET": closed(hooks.list), "POST": closed(hooks.add)},
        "/hooks/{id}": {"GET": closed(hooks.get), "DELETE": closed(hooks.remove)},
        "/hooks/{id}/test": {"POST": closed(trying.test_hook)},
        "/events": {"GET": closed(Streaming(deps, deps.live, keeper).events)},
        "/providers": {"GET": closed(accounts.providers)},
        "/providers/{name}/durations": {"GET": closed(accounts.durations)},
        "/hints/{token}": {"POST": hints.take},
        "/samples": {"GET": closed(Samples(deps).list)},
        "/callbacks/test": {"POST": closed(trying.test)},
        "/openapi.json": {"GET": describing.document},
        "/docs": {"GET": describing.page},
        "/schemas": {"GET": schemas.list},
        "/schemas/{format}/{file}": {"GET": schemas.get},
        "/signing-secrets": {"GET": closed(accounts.signing_secrets)},
    }
    parts = Parts(
        deps=deps,
        keeper=keeper,
        limit=limit,
        listing=listing,
        accounts=accounts,
        subscriptions=subscriptions,
        deliveries=deliveries,
        replaying=replaying,
        trying=trying,
    )
    return assembled(deps, {**paths, **probes_of(deps, closed), **more(parts)})


def create_probes_app(deps: Deps) -> Starlette:
    """For a node without the API: whether it lives, and its figures."""
    keeper = Doorkeeper(deps.config)
    return assembled(
        deps, probes_of(deps, Door(keeper, RequestLimit(deps.clock.now, deps.nodes)).closed)
    )


def probes_of(deps: Deps, closed: Callable[[Closed], Open]) -> Paths:
    probes, exposition = Probes(deps), Exposition(deps.registry)
    return {
        "/livez": {"GET": probes.live},
        "/readyz": {"GET": probes.ready},
        "/healthz": {"GET": probes.ready},
        "/metrics": {"GET": closed(exposition.guarded)},
    }


def create_metrics_app(deps: Deps) -> Starlette:
    """/metrics without a key, for `metrics_listen`."""
    exposition = Exposition(deps.registry)
    return Starlette(
        routes=[Route("/metrics", Resource("/metrics", {"GET": exposition.open}))]
    )


def assembled(deps: Deps, paths: Paths) -> Starlette:
    async def nothing_here(request: Request, _error: Exception) -> Response:
        return refused(no_such_path(request.url.path, paths))

    app = Starlette(
        routes=[Route(path, Resource(path, methods)) for path, methods in paths.items()],
        middleware=[
            Middleware(Envelope, traffic=Traffic(deps.registry), now=deps.clock.now)
        ],
        exception_handlers={404: nothing_here},
    )
    # A redirect would name us by the Host header, which behind a proxy may be wrong.
    app.router.redirect_slashes = False
    return app


def no_such_path(path: str, known: Paths) -> RequestError:
    near = difflib.get_close_matches(path[:PATH_SHOWN], known, n=1)
    detail = f"did you mean {near[0]}?" if near else "all paths are listed at /docs"
    return RequestError("not_found", detail)
