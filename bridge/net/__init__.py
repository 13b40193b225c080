"""Everything that keeps a request to somebody else's server harmless.

`addresses` says which IP addresses we keep away from, `resolver` asks for names, `guard`
builds the sessions that obey both, `body` and `header` read what comes back without
trusting it, `authorities` says whose certificates are believed, `failure` and `retry_after`
say in our words what went wrong or was asked for.
"""
