"""Proves webhooks (Standard Webhooks) with nothing but the standard library."""

import base64
import binascii
import hashlib
import hmac
import os
import time
from collections.abc import Mapping

TOLERANCE_S = 300
REMEMBERED = 10_000
KEY_BYTES_LEAST = 24

# whsec_…, the new and the old one during a change. An empty one would let anybody in.
KEYS = [
    key
    for secret in os.environ["WEBHOOK_SECRETS"].split()
    if len(key := base64.b64decode(secret.removeprefix("whsec_"))) >= KEY_BYTES_LEAST
]
known: dict[str, None] = {}  # in earnest: a table with a unique column


def proven(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether `body`, byte for byte as it arrived, was sent by your bridge just now."""
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return False
    if abs(time.time() - int(timestamp)) > TOLERANCE_S:
        return False
    signed = f"{message_id}.{timestamp}.".encode() + body
    ours = [hmac.digest(key, signed, hashlib.sha256) for key in KEYS]
    good = False
    for part in headers.get("webhook-signature", "").split(" ")[:16]:
        version, _, text = part.partition(",")
        try:
            theirs = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            continue
        for one in ours:
            good |= version == "v1" and hmac.compare_digest(one, theirs)
    return good


def is_new(message_id: str) -> bool:
    """Whether this event comes for the first time; the same one may come again."""
    if message_id in known:
        return False
    known[message_id] = None
    if len(known) > REMEMBERED:
        del known[next(iter(known))]
    return True
