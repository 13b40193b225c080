"""Signs webhooks, and proves them, as Standard Webhooks lays down.

What is signed is ``id.timestamp.content`` with HMAC-SHA256 (`v1`) and a secret written
``whsec_`` + base64; the content is the body, byte for byte. ed25519 signatures (`v1a`,
``whsk_`` and ``whpk_`` keys) are understood too, though the bridge sends none. Receivers
may import this module: without such keys it needs the standard library only.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets as dice
import string
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bridge.errors import VerificationError

SECRET, PRIVATE, PUBLIC = "whsec_", "whsk_", "whpk_"
MIN_BYTES, MAX_BYTES = 24, 64  # Standard Webhooks, "Signature scheme"

# 45 letters hold 267 bits, and fill base64 without a "=" that gets lost in copying.
MINTED_LETTERS = 45

# When verifying: the reference libraries test themselves with a secret of 23 bytes.
LENIENT_BYTES = 16

_BASE62 = string.ascii_letters + string.digits
# A full stop in an id would let its end pass for the timestamp.
_MESSAGE_ID = re.compile(r"[!-\-/-~]{1,256}")
_TIMESTAMP = re.compile(r"0|[1-9][0-9]{0,11}")
_ANYTHING = re.compile(r".+", re.DOTALL)


def mint(choice: Callable[[str], str] = dice.choice) -> str:
    """A new secret. Its key is plain text, for tools that take a key only as text."""
    text = "".join(choice(_BASE62) for _ in range(MINTED_LETTERS))
    return SECRET + base64.b64encode(text.encode()).decode()


def key_bytes(secret: str) -> bytes:
    """The HMAC key inside a ``whsec_…`` secret. Raises ValueError, never quoting it."""
    return _sized(_decoded(secret, SECRET), MIN_BYTES, MAX_BYTES)


def text_of(secret: str) -> str | None:
    """The key as text, if it can be typed: what goes into n8n's Crypto node.

    >>> text_of("whsec_YW4tZXhhbXBsZS1vZi1hLXNlY3JldC10ZXh0")
    'an-example-of-a-secret-text'
    """
    key = key_bytes(secret)
    return key.decode("ascii") if all(0x21 <= byte <= 0x7E for byte in key) else None


def sign(message_id: str, timestamp: int, body: bytes, secret: str) -> str:
    """``v1,…`` for a ``whsec_`` secret, ``v1a,…`` for a ``whsk_`` key.

    `timestamp` is in unix seconds. Raises ValueError for what must not be signed.
    """
    if type(timestamp) is not int or not _TIMESTAMP.fullmatch(str(timestamp)):
        raise ValueError("a timestamp is a whole number of unix seconds")
    if not _MESSAGE_ID.fullmatch(message_id):
        raise ValueError("a message id is printable ASCII without spaces and full stops")
    signed = _signed(message_id, str(timestamp), body)
    if secret.startswith(PRIVATE):
        return _v1a(signed, _decoded(secret, PRIVATE))
    return _v1(signed, key_bytes(secret))


def headers(
    *,
    message_id: str,
    sent_at: float,
    body: bytes,
    secrets: Sequence[str],
    query: bytes | None = None,
) -> dict[str, str]:
    """The signature headers of one attempt, with one signature for each current secret.

    `sent_at` is wall time. `query` is the whole query string as it is sent, for an attempt
    that has no body (method GET); then it is what is signed. All secrets are ``whsec_…``.
    Raises ValueError, also when there is no secret: nothing is sent unsigned.
    """
    if not secrets:
        raise ValueError("there is no secret to sign with")
    content = body if query is None else query
    keys = [key_bytes(secret) for secret in secrets]
    signatures = [sign(message_id, int(sent_at), content, secret) for secret in secrets]
    digests = [hmac.digest(key, content, hashlib.sha256).hex() for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(sent_at)),
        "webhook-signature": " ".join(signatures),
        "X-Signature-256": ",".join(f"sha256={digest}" for digest in digests),
    }


def verify(
    body: bytes | str,
    headers: Mapping[str, str],
    secrets: str | Sequence[str],
    *,
    now: float | None = None,
    tolerance_s: float = 300,
) -> dict[str, Any]:
    """Prove that a webhook is from the holder of one of `secrets`, and return its event.

    `body` is the body as it arrived, or the query string as it arrived if the webhook came
    as a GET. The result is the JSON object in it; a proven body that holds none (an empty
    one, a query string) gives ``{}``. `headers` is anything with `items()`. `secrets` are
    ``whsec_…``, with or without the prefix, or ``whpk_…`` public keys; give both the old
    and the new one while you change over.

    Raises VerificationError, and nothing else, for whatever a sender may have sent and for
    unusable secrets. `tolerance_s` is how far the sender's clock may be from `now` (unix
    seconds); ``math.inf`` accepts recorded webhooks of any age.
    """
    content = _text(body)
    symmetric, public = _keys(secrets)
    message_id = _header(headers, "webhook-id", _MESSAGE_ID)
    timestamp = _header(headers, "webhook-timestamp", _TIMESTAMP)
    candidates = _header(headers, "webhook-signature", _ANYTHING).split(" ")
    age_s = (time.time() if now is None else now) - int(timestamp)
    if not abs(age_s) <= tolerance_s:  # written so that NaN is refused as well
        raise VerificationError(f"the timestamp is {abs(age_s):.0f} s off")
    signed = _signed(message_id, timestamp, content.encode())
    # Lists, not generators: every candidate is compared, whichever of them matches.
    matches = [_equal(_v1(signed, key), each) for key in symmetric for each in candidates]
    matches += [_proven(signed, each, key) for key in public for each in candidates]
    if not any(matches):
        raise VerificationError("no signature matches: another secret, or a changed body")
    return _object(content)


def _signed(message_id: str, timestamp: str, content: bytes) -> bytes:
    return b".".join((message_id.encode(), timestamp.encode(), content))


def _v1(signed: bytes, key: bytes) -> str:
    digest = hmac.digest(key, signed, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode()


def _v1a(signed: bytes, key: bytes) -> str:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if len(key) not in (32, 64):  # the seed, alone or followed by the public key
        raise ValueError(f"a private key holds 32 or 64 bytes, this one {len(key)}")
    signature = Ed25519PrivateKey.from_private_bytes(key[:32]).sign(signed)
    return "v1a," + base64.b64encode(signature).decode()


def _equal(expected: str, candidate: str) -> bool:
    """As text and in constant time, so that no malformed candidate needs to be decoded."""
    return hmac.compare_digest(expected.encode(), candidate.encode(errors="replace"))


def _proven(signed: bytes, candidate: str, public: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    version, _, encoded = candidate.partition(",")
    try:
        signature = base64.b64decode(encoded, validate=True)
        Ed25519PublicKey.from_public_bytes(public).verify(signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return version == "v1a"


def _decoded(text: str, prefix: str) -> bytes:
    """The bytes behind `prefix`; padding may be missing. Raises ValueError."""
    if not text.startswith(prefix):
        raise ValueError(f"a key of this kind begins with {prefix}")
    bare = text.removeprefix(prefix).rstrip().rstrip("=")  # files end in a newline
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except ValueError:
        raise ValueError(f"what follows {prefix} is not base64 (A-Z a-z 0-9 + /)") from None


def _keys(secrets: str | Sequence[str]) -> tuple[list[bytes], list[bytes]]:
    """The symmetric and the public keys. One that is unusable fails all, to be noticed."""
    given = (secrets,) if isinstance(secrets, str) else secrets
    if not isinstance(given, Sequence) or not given:
        raise VerificationError("there is no secret to verify with")
    symmetric, public = list[bytes](), list[bytes]()
    for secret in given:
        if not isinstance(secret, str):
            raise VerificationError("a secret is text")
        try:
            if secret.startswith(PUBLIC):
                public.append(_sized(_decoded(secret, PUBLIC), 32, 32))
            else:
                bare = secret.removeprefix(SECRET)
                symmetric.append(
                    _sized(_decoded(SECRET + bare, SECRET), LENIENT_BYTES, 4096)
                )
        except ValueError as error:
            raise VerificationError(str(error)) from None
    return symmetric, public


def _sized(key: bytes, least: int, most: int) -> bytes:
    if not least <= len(key) <= most:
        raise ValueError(f"a key of this kind has {least} to {most} bytes, not {len(key)}")
    return key


def _text(body: bytes | str) -> str:
    if not isinstance(body, bytes | bytearray | str):
        raise VerificationError("verify the body as it arrived, before anything parses it")
    try:
        return (body.encode() if isinstance(body, str) else body).decode()
    except UnicodeError:  # a string may hold what UTF-8 cannot
        raise VerificationError("the body is not UTF-8") from None


def _header(headers: Mapping[str, str], name: str, form: re.Pattern[str]) -> str:
    """The one value of the header, whatever the case of its name, in the expected form."""
    try:
        found = [value for key, value in headers.items() if _plain(key).lower() == name]
    except (AttributeError, TypeError, ValueError):
        raise VerificationError("the headers are not a mapping of names to text") from None
    if len(found) != 1:
        raise VerificationError(f"{name} is {'repeated' if found else 'missing'}")
    value = _plain(found[0])
    if not form.fullmatch(value):
        raise VerificationError(f"{name} is malformed")
    return value


def _plain(value: object) -> str:
    """A header's name or value as text; some servers keep both as bytes."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else ""


def _object(content: str) -> dict[str, Any]:
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}
