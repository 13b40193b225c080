"""Whether a webhook is proven to be from its sender, by somebody else's verifier if any."""

import importlib.util
from collections.abc import Mapping, Sequence

from bridge import signature
from bridge.errors import VerificationError


def fault_of(
    body: bytes,
    headers: Mapping[str, str],
    secrets: Sequence[str],
    *,
    now: float | None = None,
) -> str | None:
    """Why the webhook is not proven; None if it is, or if there is no secret to ask.

    With `now` (unix seconds) it is judged at that time, by our own verifier; without, at
    the machine's, by the `standardwebhooks` package if that is installed.
    """
    if not secrets:
        return None
    if now is None and importlib.util.find_spec("standardwebhooks") is not None:
        return _by_the_reference(body, headers, secrets)
    try:
        signature.verify(body, headers, secrets, now=now)
    except VerificationError as error:
        return str(error)
    return None


def _by_the_reference(
    body: bytes, headers: Mapping[str, str], secrets: Sequence[str]
) -> str | None:
    from standardwebhooks.webhooks import Webhook, WebhookVerificationError

    fault = ""
    for secret in secrets:
        try:
            Webhook(secret).verify(body, dict(headers), json_parse=False)
        # It lets the errors of decoding malformed signatures and bodies through.
        except (WebhookVerificationError, ValueError) as error:
            fault = f"{type(error).__name__}: {error}"
        else:
            return None
    return fault
