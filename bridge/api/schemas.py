"""GET /schemas: JSON Schema of what is sent, for everybody."""

import difflib
from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import Response

from bridge import schemas
from bridge.api.respond import Json
from bridge.errors import RequestError

MEDIA_TYPE = "application/schema+json"
SUFFIX = ".json"
SHOWN = 64


class Schemas:
    """Open, as they say nothing of anybody; so each is made once: it takes milliseconds."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], bytes] = {}

    async def list(self, _request: Request) -> Response:
        """By format, the names there are: types of events, groups of them, or `message`."""
        return Json(schemas.KNOWN)

    async def get(self, request: Request) -> Response:
        format_name, file = request.path_params["format"], request.path_params["file"]
        names = schemas.KNOWN.get(format_name)
        if names is None:
            raise unknown("format", format_name, schemas.KNOWN)
        name = file.removesuffix(SUFFIX)
        if name not in names or not file.endswith(SUFFIX):
            raise unknown(
                f"schema in {format_name}", file, [each + SUFFIX for each in names]
            )
        wanted = format_name, name
        if wanted not in self._made:
            self._made[wanted] = schemas.document(*wanted)
        return Response(self._made[wanted], media_type=MEDIA_TYPE)


def unknown(what: str, given: str, known: Iterable[str]) -> RequestError:
    """
    >>> str(unknown("format", "flatt", ["standard", "flat"]))
    "there is no format 'flatt'; did you mean flat? Known: standard, flat"
    """
    names = [*known]
    near = difflib.get_close_matches(given[:SHOWN], names, n=1)
    advice = f"did you mean {near[0]}? Known" if near else "known"
    detail = f"there is no {what} {given[:SHOWN]!r}; {advice}: {', '.join(names)}"
    return RequestError("not_found", detail)
