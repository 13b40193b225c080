"""Configuration: one frozen `Config`, read once, every fault named.

tree           settings as given, each with its origin; faults
scalar         unquoted YAML values
interpolation  ${ENV}, ${file:…}
document       a YAML file → tree
environment    BRIDGE_… and flags → tree
fields         how one value is read
secrecy        the same for secrets
settings       what all groups have in common
parties        clients and providers
models         all the rest, and `Config`
keys           the list of all keys
agreement      what must hold between settings
prose          faults in words
presets        names of built-in provider pages
loading        the sources together → `Config`
changes        what a reload may not change
showing        `Config` for the log
reference      `Config` for the documentation
"""

from bridge.config.changes import changes, removed
from bridge.config.fields import Address, Network, NodeRole, Retries
from bridge.config.loading import PageCheck, load
from bridge.config.models import Callbacks, Config, Log, Notify, Polling
from bridge.config.parties import Client, Limits, Poll, Provider, Role
from bridge.config.presets import SANDBOX, built_in
from bridge.config.showing import redacted

__all__ = [
    "SANDBOX",
    "Address",
    "Callbacks",
    "Client",
    "Config",
    "Limits",
    "Log",
    "Network",
    "NodeRole",
    "Notify",
    "PageCheck",
    "Poll",
    "Polling",
    "Provider",
    "Retries",
    "Role",
    "built_in",
    "changes",
    "load",
    "redacted",
    "removed",
]
