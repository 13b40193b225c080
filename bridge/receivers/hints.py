"""What a person can do about an attempt that failed. Pure, and without secrets.

Nothing of a URL is ever shown but scheme, host and port: the path is the password of most
no-code tools. Nothing of a receiver's answer is repeated either; it is only recognised.
"""

import re

from bridge.model import AttemptOutcome, Reply
from bridge.receivers.known import recognised

_BY_OUTCOME = {
    AttemptOutcome.PRESUMED: (
        "n8n says that it has finished already: it took an earlier attempt, whose answer "
        "was lost."
    ),
    AttemptOutcome.UNKNOWN: (
        "The bridge stopped during this attempt; the receiver may have got it, and gets it "
        "again under the same webhook-id."
    ),
    AttemptOutcome.GONE: (
        "The receiver answered 410: it wants nothing any more. A new subscription "
        "or a retry by hand makes the bridge call it again."
    ),
    AttemptOutcome.TIMEOUT: (
        "No answer in time: answer 2xx first and do the work afterwards. The receiver may "
        "have got it, so expect it again under the same webhook-id."
    ),
    AttemptOutcome.RESET: (
        "The connection broke before the answer was complete: look for a crash, a restart "
        "or a proxy's limit at the receiver."
    ),
    AttemptOutcome.CONNECT_ERROR: (
        "Nothing accepts connections there: check that the receiver runs, its port and its "
        "firewall. In a container, localhost is the container itself."
    ),
    AttemptOutcome.DNS_ERROR: (
        "The name does not resolve: check its spelling. A name inside Docker resolves only "
        "if the bridge is in the same network."
    ),
    AttemptOutcome.TLS_ERROR: (
        "No trusted TLS connection: the certificate must be valid now, for this host name, "
        "and sent together with its intermediate certificates."
    ),
    AttemptOutcome.ADDRESS_FORBIDDEN: (
        "The host resolves to an address inside the network: if that is meant, add the "
        "host to callbacks.allow_hosts or its network to callbacks.allow_networks."
    ),
    AttemptOutcome.PROXY_ERROR: (
        "The operator's proxy made no connection: look at callbacks.proxy, its user and "
        "password, and its log; it may also mean that the receiver is down. The bridge "
        "tries again by itself, and the schedule stays where it is."
    ),
    AttemptOutcome.INVALID_ANSWER: (
        "What came back is not HTTP, or its headers are larger than 16 KiB: check the "
        "port, and http against https."
    ),
}

_BY_STATUS = {
    304: "304 answers a request for what is known already, and this was none: answer 2xx.",
    400: "The receiver does not accept the request: its answer is kept with the attempt.",
    401: (
        "The receiver wants credentials: give the header that it checks in `headers`. If "
        "it checks the signature, compare its secret with GET /signing-secrets."
    ),
    403: (
        "Header auth does not match, or a bot filter or firewall turns us away: compare "
        "`headers` with the receiver's credential, and let the User-Agent poll-bridge pass "
        "(n8n: switch “Ignore Bots” off)."
    ),
    404: (
        "Nothing listens at this path: check the URL, and that the receiver is deployed "
        "for {method}. n8n: publish the workflow and set its HTTP Method to {method}."
    ),
    405: (
        "The receiver does not take {method}: let it accept {method}, or subscribe with "
        "another `method`."
    ),
    408: "The receiver gave up waiting for the request: look for a slow proxy before it.",
    409: (
        "The receiver is busy with it or has it already: answer 2xx to a webhook-id that "
        "you know."
    ),
    413: (
        "The event is too large for the receiver: raise its limit, or subscribe without "
        "`include_raw` and with less `metadata`."
    ),
    415: "The receiver wants another content type: events are application/json.",
    421: "The server does not know this host name: check the URL and its proxy.",
    422: (
        "The receiver could not read the body: let it accept application/json; tools that "
        "want one level take `format: flat`."
    ),
    429: "The receiver wants fewer requests: the bridge slows down for its host by itself.",
    500: (
        "The receiver failed: look into its log. n8n says 500 also for bodies above its "
        "N8N_PAYLOAD_SIZE_MAX and for a node without its credential."
    ),
    501: "The receiver does not know {method}: subscribe with another `method`.",
}

# The bridge knows more of these than the answer says.
_OURS = (AttemptOutcome.PRESUMED, AttemptOutcome.UNKNOWN)

WAITS = (
    "The last attempts at this host had no answer, so it is left alone: one attempt at a "
    "time tries, two minutes apart at most. What waits meanwhile uses up no attempt."
)
OUTLIVED = (
    "Given up for its age: the host has not answered for days. Mend the receiver, then "
    "retry by hand."
)

_UNAVAILABLE = "The receiver, or the proxy before it, is down or restarting."
_REFUSED = "Only a 2xx answer counts as received: the answer is kept with the attempt."

_PROXY = re.compile("the proxy made no connection")
_PROXY_REFUSES = (
    "The operator's proxy does not connect to this host or port: let it allow CONNECT "
    "there, for plain HTTP too."
)
_FINISHED = re.compile(r"has finished already", re.IGNORECASE)

# Of a delivery that is gone although its own last attempt was not answered so.
GONE_ELSEWHERE = (
    "The URL answered 410 to another attempt, so nothing more is sent there. A new "
    "subscription or a retry by hand makes the bridge call it again."
)

_ORIGIN = re.compile(
    r"(?:redirects to )?"
    r"(?P<origin>https?://(?:[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?)"
    r"(?=[/?#]|$)",  # not "@": what stood before it was a password
    re.IGNORECASE | re.ASCII,
)


def hint(reply: Reply, method: str, host: str = "") -> str | None:
    """What to do about `reply` to an attempt with HTTP `method` at `host`; None: nothing
    is wrong.
    """
    if reply.outcome is AttemptOutcome.ACCEPTED:
        return None
    if reply.outcome is AttemptOutcome.REDIRECTED and reply.http_status != 304:
        words = redirection(reply.detail)
        return f"The URL {words}, and redirects are never followed: give the final URL."
    if reply.hint is not None:
        return reply.hint
    if reply.outcome is AttemptOutcome.CONNECT_ERROR and _PROXY.match(reply.detail or ""):
        return _PROXY_REFUSES
    text = (
        (reply.outcome not in _OURS and recognised(reply.http_status, _said(reply), host))
        or _BY_OUTCOME.get(reply.outcome)
        or _by_status(reply.http_status)
    )
    return text.replace("{method}", method)


def redirection(location: str | None) -> str:
    """A Location header in words that show no path: the `detail` of a redirected attempt.

    >>> redirection("https://www.example.com/hooks/T0P-S3CRET?x=1")
    'redirects to https://www.example.com'
    >>> redirection("/login")
    'redirects elsewhere'
    """
    found = _ORIGIN.match(location or "")
    return f"redirects to {found['origin']}" if found else "redirects elsewhere"


def finished(reply: Reply) -> bool:
    """n8n says that the execution which waited for this event has ended."""
    return reply.http_status == 409 and bool(_FINISHED.search(_said(reply)))


def _said(reply: Reply) -> str:
    return reply.body.decode(errors="replace")


def _by_status(status: int | None) -> str:
    unknown = _UNAVAILABLE if status is not None and status >= 502 else _REFUSED
    return _BY_STATUS.get(status or 0, unknown)
