"""A webhook that has arrived → its event, if it is proven."""

from collections.abc import Mapping, Sequence

from bridge.client.nouns import Event
from bridge.signature import verify


def verify_webhook(
    headers: Mapping[str, str], body: bytes | str, secrets: str | Sequence[str]
) -> Event:
    """`body` as it arrived, byte for byte. Raises VerificationError, and nothing else, if
    it is not from the holder of one of `secrets`, or older than five minutes.
    """
    return Event(verify(body, headers, secrets))
