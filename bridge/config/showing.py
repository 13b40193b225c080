"""The configuration as it may be logged: whole, but without a secret."""

import re
from collections.abc import Mapping
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from bridge.config.fields import Address, Authorities
from bridge.config.models import Config
from bridge.config.settings import Settings
from bridge.duration import text
from bridge.rate import Rate

HIDDEN = "***"

# Values of a page or of params may be anything, so that only their names are shown.
_NAMES_ONLY = ("params", "page")


def redacted(config: Config) -> dict[str, Any]:
    """Keys and values as they are written in the file, secrets as ``***``.

    Of callback URLs the host is left: enough to see which it is.
    """
    return _group(config)


def _group(group: Settings) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for name, field in type(group).model_fields.items():
        key, value = field.alias or name, getattr(group, name)
        if value is None or value == {}:
            continue
        if key in _NAMES_ONLY:
            shown[key] = sorted(value)
        else:
            shown[key] = text(value) if name.endswith("_s") else _value(value)
    return shown


def _value(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return _address_of(value.get_secret_value())
    if isinstance(value, Settings):
        return _group(value)
    if isinstance(value, Mapping):
        return {name: _value(each) for name, each in value.items()}
    if isinstance(value, tuple):
        return [text(each) if isinstance(each, float) else _value(each) for each in value]
    if isinstance(
        value, Address | Authorities | Rate | StrEnum | IPv4Network | IPv6Network
    ):
        return str(value)
    return value


def _address_of(secret: str) -> str:
    """
    >>> _address_of("https://hooks.example.com/secret?x=y"), _address_of("whsec_abc")
    ('https://hooks.example.com/***', '***')
    >>> _address_of("postgresql://bridge:se/c@ret@db.example.com/bridge?sslmode=require")
    'postgresql://db.example.com/bridge'
    """
    if secret.startswith("sqlite:"):
        return secret
    if re.match("postgres(ql)?://", secret):
        address = secret.partition("?")[0].partition("://")[2]
        return f"postgresql://{address.rpartition('@')[2]}"  # a password may hold a "/"
    if not re.match("https?://", secret):
        return HIDDEN
    parts = urlsplit(secret)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/{HIDDEN}"
