"""Whether we live, and whether we are ready: for supervisors and load balancers."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from bridge.api.deps import Deps
from bridge.api.problem import problem
from bridge.api.respond import Json, Problem


class Probes:
    """Open to everybody, and tolerant of query parameters, which some probes add."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def live(self, _request: Request) -> Response:
        """503 once a loop has not turned for a minute: only a restart helps then."""
        stalled = self._deps.health.stalled(self._deps.clock.now())
        if not stalled:
            return Json({"status": "ok"})
        return failing(
            "stalled",
            f"stands still: {', '.join(stalled)}",
            stalled={loop: round(age_s) for loop, age_s in stalled.items()},
        )

    async def ready(self, _request: Request) -> Response:
        """503 with the reasons while no new work should come here."""
        reasons = dict(self._deps.health.unready)
        if self._deps.draining():
            reasons["stop"] = "stopping"
        if not reasons:
            return Json({"status": "ready"})
        return failing("not_ready", "; ".join(reasons.values()), reasons=reasons)


def failing(code: str, detail: str, **members: Any) -> Response:
    told = problem(code, detail, **members)
    return Problem(told, {})
