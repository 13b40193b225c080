"""Encryption at rest: seals what the database must not be able to tell.

A sealed value is ``version (1) + key id (4) + nonce (12) + ciphertext and tag``, made with
AES-256-GCM. The place it is stored in is authenticated with it, so that a value copied
into another column does not open there. The key id says which encryption key to take,
and tells nothing about it.

Nonces are random: after 2**32 values under one key the odds that any two were alike are
one in 2**33 (NIST SP 800-38D, 8.3). At 50 values per second that is after nearly three
years; `poll-bridge rekey` under a new key starts the count anew.
"""

import hashlib
import hmac
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bridge.errors import SealBroken

VERSION = b"\x01"
ID_BYTES, NONCE_BYTES, TAG_BYTES = 4, 12, 16
_HEAD = len(VERSION) + ID_BYTES
OVERHEAD = _HEAD + NONCE_BYTES + TAG_BYTES  # how much longer a sealed value is


class Vault:
    """Seals with the first of `keys`, opens with any of them. Safe to share by threads."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("a vault needs at least one encryption key")
        derived = [_derived(key) for key in dict.fromkeys(keys)]
        self._ciphers = {VERSION + key_id: AESGCM(secret) for key_id, secret in derived}
        if len(self._ciphers) < len(derived):  # one chance in 2**32 for each pair
            raise ValueError("two encryption keys share an id; draw another one")
        self._head = VERSION + derived[0][0]
        self._newest = self._ciphers[self._head]

    def seal(self, plain: bytes, place: str) -> bytes:
        """`place` names where the result will be stored: ``"credential.key"``."""
        nonce = os.urandom(NONCE_BYTES)
        bound = self._head + place.encode()
        return self._head + nonce + self._newest.encrypt(nonce, plain, bound)

    def open(self, sealed: bytes, place: str) -> bytes:
        """What `seal` was given for this place. Raises SealBroken."""
        head, rest = bytes(sealed[:_HEAD]), sealed[_HEAD:]
        cipher = self._ciphers.get(head)
        if cipher is None or len(sealed) < OVERHEAD:
            raise SealBroken(f"{place}: sealed with a key that is not in encryption_keys")
        try:
            return cipher.decrypt(
                rest[:NONCE_BYTES], rest[NONCE_BYTES:], head + place.encode()
            )
        except InvalidTag:
            raise SealBroken(f"{place}: changed, or moved from another place") from None

    @property
    def newest_id(self) -> bytes:
        return self._head[len(VERSION) :]

    def has(self, key_id: bytes) -> bool:
        return VERSION + key_id in self._ciphers

    def stale(self, sealed: bytes) -> bool:
        """Whether it is sealed with an older key than the first, and wants a rekey."""
        return not sealed.startswith(self._head)


class Fingerprints:
    """Keyed hashes: equal for equal parts, and of no use to anybody without the key.

    Text counts as its UTF-8. Every part is framed with its length, so that ``("ab", "c")``
    and ``("a", "bc")`` differ.

    >>> prints = Fingerprints(bytes(32))
    >>> prints.of("ab", "c") == prints.of("a", "bc"), prints.of("a") == prints.of(b"a")
    (False, True)
    """

    SIZE = 16  # bytes; 2**64 values before two of them are likely to collide

    def __init__(self, key: bytes) -> None:
        if not 16 <= len(key) <= hashlib.blake2b.MAX_KEY_SIZE:
            raise ValueError("a fingerprint key has 16 to 64 bytes")
        self._fresh = hashlib.blake2b(key=key, digest_size=self.SIZE, person=b"poll-bridge")

    def of(self, *parts: bytes | str) -> bytes:
        """`SIZE` bytes."""
        state = self._fresh.copy()
        for part in parts:
            # Callers can send lone surrogates; they must not become an error here.
            raw = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
            state.update(len(raw).to_bytes(8, "big"))
            state.update(raw)
        return state.digest()


def _derived(key: str) -> tuple[bytes, bytes]:
    """The public id and the secret AES key of one encryption key."""
    secret = HKDF(hashes.SHA256(), 32, salt=None, info=b"poll-bridge vault 1").derive(
        key.encode()
    )
    return hmac.digest(secret, b"poll-bridge key id", "sha256")[:ID_BYTES], secret
