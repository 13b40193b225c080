"""Builds the parts of a node and wires them: the composition root.

Nothing else in the package knows where its collaborators come from.

    node     opens what has to be closed again, and joins the other nodes
    parts    the loops and what they are given
    egress   the ways out; sandbox: the provider that is our own
    current  the configuration, which a reload replaces
"""

from bridge.assembly.current import Current
from bridge.assembly.egress import (
    USER_AGENT,
    callback_egress,
    listed_hosts,
    names,
    provider_egress,
)
from bridge.assembly.node import built
from bridge.assembly.parts import Bridge
from bridge.assembly.sandbox import served_sandbox

__all__ = [
    "USER_AGENT",
    "Bridge",
    "Current",
    "built",
    "callback_egress",
    "listed_hosts",
    "names",
    "provider_egress",
    "served_sandbox",
]
