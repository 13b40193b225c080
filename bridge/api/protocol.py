"""HTTP/1.1 as uvicorn speaks it, except that what is no request is answered as all errors
are, that the head of a request has to end, and that offers of another protocol are ignored
(RFC 9110, 7.8).

Without an end, whoever can connect could send one header for ever: the parser keeps all of
it, and copies what it has with every piece that is added.

The parser takes an offer for accepted and ends the request with its head, which would lose
the body. Java's HttpClient makes one unless told not to. So such a head is read once more,
by a new parser, without the offer.
"""

from http import HTTPStatus
from typing import Any, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bridge.api.respond import refused
from bridge.errors import RequestError

HEAD_BYTES = 65_536
ABORT = "bridge.abort"  # in a request's scope: ends its connection, sent or not


class Protocol(HttpToolsProtocol):
    _unused = 0  # bytes since a head was complete or a body has grown: trailers count too

    def data_received(self, data: bytes) -> None:
        self._unused += len(data)
        self._unset_keepalive_if_required()
        try:
            self._parse(memoryview(data))
        except (HttpParserError, HttpParserUpgrade):  # CONNECT stays an upgrade
            self.send_400_response("Invalid HTTP request received.")
        if self._unused > HEAD_BYTES and not self.transport.is_closing():
            self._refuse(RequestError("head_too_large", f"up to {HEAD_BYTES:,} bytes"))

    def _parse(self, data: memoryview) -> None:
        """A loop, as one read may hold many offers. Raises what the parser does."""
        while True:
            try:
                self.parser.feed_data(data)
                return
            except HttpParserUpgrade as offer:
                data = data[offer.args[0] :]
            head = self._head_without_offer()
            self.parser = HttpRequestParser(self)
            # As uvicorn has it: what follows the last request is dropped, not refused.
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            self.parser.feed_data(head)

    def _head_without_offer(self) -> bytes:
        version = self.parser.get_http_version().encode()
        lines = [
            self.parser.get_method() + b" " + self.url + b" HTTP/" + version,
            *(name + b": " + value for name, value in self.headers if name != b"upgrade"),
        ]
        return b"\r\n".join([*lines, b"", b""])

    def on_headers_complete(self) -> None:
        if not self.parser.should_upgrade():
            self._unused = 0
            cast("dict[str, Any]", self.scope)[ABORT] = self.transport.abort
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_body(self, body: bytes) -> None:
        self._unused = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        self._refuse(RequestError("malformed_request", msg))

    def _refuse(self, error: RequestError) -> None:
        answer = refused(error, {"Connection": "close"})
        status = HTTPStatus(answer.status_code)
        lines = [
            f"HTTP/1.1 {status.value} {status.phrase}".encode(),
            *(
                name + b": " + value
                for name, value in (*self.server_state.default_headers, *answer.raw_headers)
            ),
        ]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(answer.body)]))
        self.transport.close()
