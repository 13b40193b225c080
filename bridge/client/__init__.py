"""Ask a running bridge from Python: subscribe, wait for the end, listen.

    from bridge.client import AsyncClient, Client

    with Client("http://127.0.0.1:8080", "key") as bridge:
        end = bridge.wait_for("amux", "abcd1234efgh")

client      AsyncClient: every call, awaited
blocking    Client: the same, for programs without an event loop
nouns       what is answered
errors      what is raised, one tree
connection  questions over HTTP, asked again where that can do no harm
  answers   an answer of HTTP → what was said, or what is raised
  patience  how often, and for how long

`docs/client.md` shows how. Importing it loads nothing of the server, and of other people's
packages nothing before the first call.
"""

from bridge.client.blocking import Client
from bridge.client.client import AsyncClient
from bridge.client.errors import (
    NotABridge,
    NotEnded,
    Refused,
    StreamEnded,
    Unreachable,
)
from bridge.client.nouns import Event, Subscription
from bridge.client.webhooks import verify_webhook
from bridge.errors import ClientError, FieldFault, VerificationError

__all__ = [
    "AsyncClient",
    "Client",
    "ClientError",
    "Event",
    "FieldFault",
    "NotABridge",
    "NotEnded",
    "Refused",
    "StreamEnded",
    "Subscription",
    "Unreachable",
    "VerificationError",
    "verify_webhook",
]
