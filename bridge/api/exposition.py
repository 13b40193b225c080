"""/metrics, in whichever text format the scraper asks for."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response

from bridge.api.auth import Caller
from bridge.errors import RequestError


class Exposition:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    async def open(self, request: Request) -> Response:
        """Without a key: for an address of its own (`metrics_listen`)."""
        encode, media_type = format_for(request.headers.get("accept", ""))
        return Response(encode(self._registry), headers={"Content-Type": media_type})

    async def guarded(self, request: Request, caller: Caller) -> Response:
        if not caller.operator:
            raise RequestError(
                "operator_only", "use the API key of a client with that role"
            )
        return await self.open(request)


def format_for(accept: str) -> tuple[Callable[[CollectorRegistry], bytes], str]:
    """What writes the figures, and its media type: plain text for an Accept of which no
    sense can be made.
    """
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):  # of versions that are no numbers
        return choose_encoder("")
