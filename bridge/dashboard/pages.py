"""A template → an answer, with the headers that keep it safe."""

from collections.abc import Callable, Mapping
from math import ceil
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import Response

from bridge import __version__
from bridge.api.hints import base_url
from bridge.config import Config
from bridge.dashboard import words
from bridge.dashboard.session import Session

# Nothing inline, nothing from elsewhere, in nobody's frame.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
SAFE = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}
HTML = "text/html; charset=utf-8"


class Pages:
    """Renders; knows where the pages are, as others reach them."""

    def __init__(self, config: Callable[[], Config], now: Callable[[], float]) -> None:
        self._config, self._now = config, now
        self._templates = environment()

    def address(self, path: str = "", /, **asked: Any) -> str:
        """Of a page, below the path of `public_url`. What is None is not asked."""
        given = {name: value for name, value in asked.items() if value not in (None, "")}
        root = urlsplit(base_url(self._config())).path
        found = f"{root}/dashboard{quote(path)}"
        return f"{found}?{urlencode(given)}" if given else found

    def page(
        self,
        name: str,
        session: Session | None,
        /,
        *,
        status: int = 200,
        again_s: float | None = None,
        **shown: Any,
    ) -> Response:
        """`again_s`: when it is worth trying again."""
        caller = session.caller if session else None
        text = self._templates.get_template(name).render(
            shown,
            caller=caller,
            operator=caller is not None and caller.operator,
            token=session.token if session else "",
            address=self.address,
            now=self._now(),
            version=__version__,
        )
        again = {} if again_s is None else {"Retry-After": str(ceil(again_s))}
        return Response(text, status, {**SAFE, **again}, HTML)

    def see(self, path: str, /, **asked: Any) -> Response:
        """Go there, as a new request."""
        return Response(None, 303, {**SAFE, "Location": self.address(path, **asked)})


def environment() -> Environment:
    """Everything is escaped, and a name that is missing is an error."""
    found = Environment(
        loader=PackageLoader("bridge.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: Mapping[str, Callable[..., Any]] = {
        "at": words.at,
        "machine": words.machine,
        "span": words.span,
        "masked": words.masked,
        "link": words.link,
        "as_json": words.json,
        "answer": words.answer,
        "tone": words.tone,
        "sign": words.sign,
        "word": words.word,
    }
    found.filters.update(filters)
    return found
