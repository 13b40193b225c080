"""Spans to a collector by OTLP over HTTP: all that knows of the OpenTelemetry packages.

They are an extra, and imported only where an endpoint is given.
"""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from importlib.util import find_spec
from threading import Thread
from typing import TYPE_CHECKING

import structlog

from bridge import __version__
from bridge.errors import ConfigError
from bridge.traces import Trace
from bridge.tracing.spans import Moment, Span

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.trace import SpanContext

TIMEOUT_S = 5.0  # of one export, what is tried again included
MARGIN_S = 1.0  # for a thread that is held up
AT_ONCE = 4  # threads, with those that were left behind
PATH = "/v1/traces"
INSTALL = "pip install '.[otel]' in the bridge's directory"
MISSING = f"traces.endpoint: needs OpenTelemetry: {INSTALL}"

# Where an endpoint is looked for if none is configured, by OpenTelemetry's "Environment
# Variable Specification".
SIGNAL, GENERAL = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")

log = structlog.get_logger(__name__)


def endpoint_of(configured: str | None, environ: Mapping[str, str]) -> str | None:
    """The URL that spans are posted to; None: nowhere.

    >>> endpoint_of("http://collector:4318", {})
    'http://collector:4318/v1/traces'
    >>> endpoint_of("https://gateway/otlp/", {})
    'https://gateway/otlp/v1/traces'
    >>> endpoint_of(None, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector/spans"})
    'http://collector/spans'
    """
    if configured is not None:
        return f"{configured.rstrip('/').removesuffix(PATH)}{PATH}"
    off = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if off or environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return None
    if environ.get(SIGNAL):
        return environ[SIGNAL]
    return environ[GENERAL].rstrip("/") + PATH if environ.get(GENERAL) else None


def exporter_of(configured: str | None, environ: Mapping[str, str]) -> "Otlp | None":
    """None: no spans are made.

    Raises ConfigError if they are configured and cannot be. What only the environment asks
    for, which others may have set for all programs of a host, stops nothing.
    """
    endpoint = endpoint_of(configured, environ)
    if endpoint is None:
        return None
    protocol = next((environ[name] for name in PROTOCOLS if environ.get(name)), "http")
    if configured is None and not protocol.startswith("http"):
        log.warning("traces.off", reason="spans are sent by http/protobuf only")
        return None
    try:
        return Otlp(endpoint)
    except ImportError as error:
        if configured is not None:
            raise ConfigError(MISSING) from error
        log.warning("traces.off", reason=f"there is no OpenTelemetry: {INSTALL}")
        return None


def fault_of(configured: str | None) -> str | None:
    """What `exporter_of` would raise, without making anything."""
    try:
        found = find_spec("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    except ImportError:
        found = None
    return MISSING if configured is not None and found is None else None


class Otlp:
    """Each batch has a thread of its own, which is left behind if it does not end in time:
    the library bounds each read of an answer, and so not how long all of them take.
    """

    def __init__(
        self, endpoint: str, *, timeout_s: float = TIMEOUT_S, margin_s: float = MARGIN_S
    ) -> None:
        """Headers, certificates and compression are those of OTEL_EXPORTER_OTLP_…."""
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource

        ours = {"service.name": "poll-bridge", "service.version": __version__}
        self._resource = Resource(ours).merge(OTELResourceDetector().detect())
        self._exporter = OTLPSpanExporter(endpoint=endpoint, timeout=timeout_s)
        self._within_s = timeout_s + margin_s
        self._sending: list[Future[bool]] = []

    async def export(self, spans: Sequence[Span]) -> bool:
        """Whether the collector has taken them, as far as was seen in time.

        Raises what a fault of ours or the library's raises.
        """
        self._sending = [each for each in self._sending if not each.done()]
        if len(self._sending) >= AT_ONCE:
            return False
        sent: Future[bool] = Future()
        # No executor: the interpreter waits for its threads before it exits.
        Thread(target=self._send, args=(spans, sent), name="traces", daemon=True).start()
        self._sending.append(sent)
        try:
            async with asyncio.timeout(self._within_s):
                return await asyncio.wrap_future(sent)
        except TimeoutError:
            return False

    def close(self) -> None:
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def _send(self, spans: Sequence[Span], sent: Future[bool]) -> None:
        from opentelemetry.sdk.trace.export import SpanExportResult

        if not sent.set_running_or_notify_cancel():
            return
        try:
            result = self._exporter.export([self._made(span) for span in spans])
        except Exception as error:
            sent.set_exception(error)
        else:
            sent.set_result(result is SpanExportResult.SUCCESS)

    def _made(self, span: Span) -> "ReadableSpan":
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import SpanKind, Status, StatusCode

        trace = span.trace
        fault = Status(StatusCode.ERROR, span.fault) if span.fault else Status()
        parent = trace.parent_id and context_of(trace, trace.parent_id, remote=True)
        return ReadableSpan(
            span.name,
            context=context_of(trace, trace.span_id, remote=False),
            parent=parent or None,
            resource=self._resource,
            attributes=dict(span.facts),
            events=[event_of(moment) for moment in span.moments],
            kind=SpanKind.PRODUCER,
            status=fault,
            start_time=nanoseconds(span.begins_at),
            end_time=nanoseconds(span.ends_at),
        )


def context_of(trace: Trace, span_id: str, *, remote: bool) -> "SpanContext":
    from opentelemetry.trace import SpanContext, TraceFlags

    return SpanContext(
        trace_id=int(trace.trace_id, 16),
        span_id=int(span_id, 16),
        is_remote=remote,
        trace_flags=TraceFlags(trace.flags),
    )


def event_of(moment: Moment) -> "Event":
    from opentelemetry.sdk.trace import Event

    return Event(moment.name, dict(moment.facts), timestamp=nanoseconds(moment.at))


def nanoseconds(at: float) -> int:
    """
    >>> nanoseconds(1_800_000_000.25)
    1800000000250000000
    """
    return round(at * 1_000_000) * 1_000
