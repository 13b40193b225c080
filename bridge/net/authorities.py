"""Whose certificates are believed: those of the system's authorities, and of some more."""

import ssl


def trusting(more: str | None) -> ssl.SSLContext:
    """What TLS is made with. Raises ValueError if `more` is given and no PEM."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if more is not None:
        try:
            context.load_verify_locations(cadata=more)
        except (ssl.SSLError, ValueError):  # ValueError: it is empty
            raise ValueError("has no certificate in PEM that can be read") from None
    return context
