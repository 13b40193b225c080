"""/metrics, in whichever text format the scraper asks for."""

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
        encode, media_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(self._registry), headers={"Content-Type": media_type})

    async def guarded(self, request: Request, caller: Caller) -> Response:
        if not caller.operator:
            raise RequestError(
                "operator_only", "use the API key of a client with that role"
            )
        return await self.open(request)
