"""One line per unit of work, in JSON or for people, with nothing secret in it."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

# Fields that would carry a secret are dropped by name, should a caller ever pass one.
SECRET_FIELDS = frozenset(
    {"api_key", "authorization", "body", "callback_url", "headers", "key", "metadata"}
    | {"provider_key", "result", "secret", "secrets", "signing_secret", "url"}
)


def set_up(*, form: str, level: str, stream: TextIO = sys.stderr) -> None:
    """`form` is json, text, or auto: text on a terminal. Once, at the process's edge."""
    text = form == "text" or (form == "auto" and stream.isatty())
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty())
        if text
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            without_secrets,
            structlog.processors.format_exc_info,
            *([without_config] if text else []),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    # Libraries say little that helps, and some of it holds URLs.
    logging.basicConfig(level=logging.WARNING, stream=stream, format="%(name)s %(message)s")
    for name in ("aiohttp", "uvicorn", "asyncio"):
        logging.getLogger(name).setLevel(logging.ERROR)


def without_config(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A person at a terminal knows it, and would miss the lines below it."""
    event.pop("config", None)
    return event


def without_secrets(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for name in SECRET_FIELDS & event.keys():
        event[name] = "***"
    return event
