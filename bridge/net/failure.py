"""Puts what went wrong between us and somebody else's server in our own words.

The texts never hold a URL: callback URLs carry secrets in their path, and some errors of
the HTTP client quote them.
"""

import os
import ssl

import aiohttp

from bridge.model import AttemptOutcome
from bridge.net.body import Unreadable
from bridge.net.guard import AddressForbidden
from bridge.net.resolver import DnsFailure
from bridge.net.tunnel import FAULTS, ProxyFault, TunnelRefused

# What a request may end in. ValueError: a header or a URL that cannot be written, which is
# checked where they come in, but must not stop the program should it slip through.
# RuntimeError: uvloop raises it in place of an OSError when sockets race.
FAILURES = (aiohttp.ClientError, OSError, Unreadable, ValueError, RuntimeError)

# In this order, because they inherit from one another.
KINDS: tuple[tuple[tuple[type[Exception], ...], AttemptOutcome, str], ...] = (
    (
        (aiohttp.ConnectionTimeoutError,),
        AttemptOutcome.CONNECT_ERROR,
        "no connection was made in time",
    ),
    (
        (aiohttp.ClientResponseError, Unreadable),
        AttemptOutcome.INVALID_ANSWER,
        "the answer is not HTTP that we can read",
    ),
    ((aiohttp.ClientPayloadError,), AttemptOutcome.RESET, "the answer broke off"),
    (
        (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError),
        AttemptOutcome.ADDRESS_FORBIDDEN,
        "the URL is not one we may call",
    ),
    (
        (ValueError, RuntimeError),
        AttemptOutcome.CONNECT_ERROR,
        "the request could not be sent as it is",
    ),
)


OURS = (DnsFailure, AddressForbidden)  # what our own resolver says; others' words differ


def failure(error: Exception) -> tuple[AttemptOutcome, str]:
    """The outcome that `error`, one of FAILURES, stands for, and one line for people."""
    if isinstance(error, ProxyFault):
        return AttemptOutcome.PROXY_ERROR, str(error)
    if isinstance(error, aiohttp.ClientConnectorError):
        by_name = isinstance(error, aiohttp.ClientConnectorDNSError)
        if by_name and not isinstance(error.os_error, OURS):
            return AttemptOutcome.DNS_ERROR, "the name of the host is not known"
        return _no_connection(error.os_error)
    for kinds, outcome, words in KINDS:
        if isinstance(error, kinds):
            return outcome, words
    if isinstance(error, TimeoutError) and error.errno is None:
        return AttemptOutcome.TIMEOUT, "no whole answer came in time"
    return AttemptOutcome.RESET, _reason(error, "the connection was closed unanswered")


def _no_connection(error: OSError) -> tuple[AttemptOutcome, str]:
    match error:
        case AddressForbidden():
            return AttemptOutcome.ADDRESS_FORBIDDEN, str(error)
        case DnsFailure():
            return AttemptOutcome.DNS_ERROR, str(error)
        case TunnelRefused():
            ours = error.status in FAULTS
            kind = AttemptOutcome.PROXY_ERROR if ours else AttemptOutcome.CONNECT_ERROR
            return kind, str(error)
        case ssl.SSLCertVerificationError():
            return AttemptOutcome.TLS_ERROR, f"certificate refused: {error.verify_message}"
        case ssl.SSLError():
            return AttemptOutcome.TLS_ERROR, _tls(error)
    return AttemptOutcome.CONNECT_ERROR, _reason(error, "no connection could be made")


def _reason(error: Exception, otherwise: str) -> str:
    """The system's words for an error number; the error's own may quote the URL."""
    if isinstance(error.__cause__, ssl.SSLError):  # whose number is not the system's
        return _tls(error.__cause__)
    number = getattr(error, "errno", None)
    return os.strerror(number).lower() if number else otherwise


def _tls(error: ssl.SSLError) -> str:
    words = str(error.reason or "handshake failed").replace("_", " ").lower()
    return f"TLS failed: {words}"
