"""HTTP/1.1 as uvicorn speaks it, except that what is no request is answered as all errors
are, and that the head of a request has to end.

Without that, whoever can connect could send one header without an end: the parser keeps all
of it, and copies what it has with every piece that is added.
"""

from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bridge.api.respond import refused
from bridge.errors import RequestError

HEAD_BYTES = 65_536


class Protocol(HttpToolsProtocol):
    _unused = 0  # bytes since a head was complete or a body has grown: trailers count too

    def data_received(self, data: bytes) -> None:
        self._unused += len(data)
        super().data_received(data)
        if self._unused > HEAD_BYTES and not self.transport.is_closing():
            self._refuse(RequestError("head_too_large", f"up to {HEAD_BYTES:,} bytes"))

    def on_headers_complete(self) -> None:
        self._unused = 0
        super().on_headers_complete()

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
