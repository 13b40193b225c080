"""Server-sent events, written and read (WHATWG HTML, 9.2)."""

from collections.abc import Iterator
from dataclasses import dataclass

MEDIA_TYPE = "text/event-stream"
BLOCK_BYTES = 16 * 1024 * 1024  # of one message: beyond that it is no stream of events


@dataclass(frozen=True, slots=True)
class Message:
    """`event` is "message" where the stream names none."""

    data: str
    event: str = "message"
    id: str | None = None


def written(data: bytes, *, event: str, id_: str | None = None) -> bytes:
    r"""`data`, `event` and `id_` have no line breaks.

    >>> written(b"{}", event="task.failed", id_="evt_a_0")
    b'id: evt_a_0\nevent: task.failed\ndata: {}\n\n'
    """
    head = f"id: {id_}\n" if id_ else ""
    return f"{head}event: {event}\ndata: ".encode() + data + b"\n\n"


class Reader:
    """Bytes as they come → messages. Comments, which keep a connection alive, are none."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._size = 0
        self._fields: dict[str, list[str]] = {}

    def feed(self, data: bytes) -> Iterator[Message]:
        r"""Raises ValueError for a message without end.

        >>> reader = Reader()
        >>> list(reader.feed(b": hello\r\nid: 1\ndata: a\nda"))
        []
        >>> list(reader.feed(b"ta: b\n\n"))
        [Message(data='a\nb', event='message', id='1')]
        """
        *ended, rest = data.split(b"\n")
        self._size += len(data)
        if self._size > BLOCK_BYTES:
            raise ValueError("a message without end")
        for piece in ended:
            line = bytes(self._line) + piece
            self._line.clear()
            yield from self._took(line.removesuffix(b"\r").decode("utf-8", "replace"))
        self._line += rest

    def _took(self, line: str) -> Iterator[Message]:
        if line:
            name, _, value = line.partition(":")
            self._fields.setdefault(name, []).append(value.removeprefix(" "))
            return
        fields, self._fields, self._size = self._fields, {}, 0
        if "data" in fields:
            event, id_ = fields.get("event"), fields.get("id")
            yield Message(
                "\n".join(fields["data"]),
                event[-1] if event else "message",
                id_[-1] if id_ else None,
            )
