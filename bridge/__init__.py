"""Turns a provider that must be polled into one that calls back.

The path of one task, in reading order:

    api         POST /subscribe → a subscription, on disk
    store       watches, subscriptions, deliveries: all that survives a restart
    polling     due watch → a question to its provider; providers: what the answer means
    transition  observation → the next poll, or an end
    messages    an end → what is told; formats: as this receiver wants it
    delivery    due delivery → a signed attempt; receivers: what its answer means
    signature   body, secret → headers, and their proof

Beside it: upkeep (deadlines, the sweep), live (who listens), noticing (the operator),
tracing, dashboard. `service` starts and stops what `assembly` builds; `cli` is the command,
`client` for programs. On `net`, `config` and `model`, `errors`, `clock` all of it stands.
"""

__version__ = "0.1.0"
