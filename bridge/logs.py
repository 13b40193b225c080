"""One line per unit of work, in JSON or for people, with nothing secret in it.

What libraries say by the standard way is written as ours is, and goes through the same.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from bridge.masking import MASK, masked_within, whereabouts

# Fields that would carry a secret are dropped by name, should a caller ever pass one.
SECRET_FIELDS = frozenset(
    {"api_key", "authorization", "body", "callback_url", "headers", "key", "metadata"}
    | {"provider_key", "result", "secret", "secrets", "signing_secret", "url"}
)
# They say little that helps; of OpenTelemetry's failures `tracing` says enough.
QUIET = {"aiohttp": logging.ERROR, "uvicorn": logging.ERROR, "asyncio": logging.ERROR}
SILENT = {"opentelemetry": logging.CRITICAL}

Event = MutableMapping[str, Any]


def set_up(*, form: str, level: str, stream: TextIO = sys.stderr) -> None:
    """`form` is json, text, or auto: text on a terminal. Once, at the process's edge."""
    text = form == "text" or (form == "auto" and stream.isatty())
    plain = structlog.dev.plain_traceback  # any other shows the values of variables
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=plain)
        if text
        else structlog.processors.JSONRenderer()
    )
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        without_words_of_errors,
        without_secrets,
        *([without_config] if text else []),
    ]
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    written = logging.StreamHandler(stream)
    written.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[first_line, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *shared[1:],
                renderer,
            ],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[written], force=True)
    for name, least in (QUIET | SILENT).items():
        logging.getLogger(name).setLevel(least)


def first_line(_logger: Any, _method: str, event: Event) -> Event:
    """Of what a library says: what follows may be the text of an exception, or of what it
    was given.
    """
    record = event["_record"]
    event["level"] = record.levelname.lower()
    event["event"] = str(event["event"]).partition("\n")[0]
    return event


def without_words_of_errors(_logger: Any, _method: str, event: Event) -> Event:
    """Of an exception, where it was raised."""
    raised = event.pop("exc_info", None)
    if raised is True:
        raised = sys.exc_info()
    error = raised[1] if isinstance(raised, tuple) else raised
    if isinstance(error, BaseException):
        event.update(whereabouts(error))
    event.pop("exception", None)
    return event


def without_config(_logger: Any, _method: str, event: Event) -> Event:
    """A person at a terminal knows it, and would miss the lines below it."""
    event.pop("config", None)
    return event


def without_secrets(_logger: Any, _method: str, event: Event) -> Event:
    for name in SECRET_FIELDS & event.keys():
        event[name] = MASK
    for name, value in event.items():
        if not isinstance(value, int | float):
            event[name] = masked_within(value)
    return event
