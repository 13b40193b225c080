"""Provider pages as the commands show and use them."""

import secrets
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from bridge import signature
from bridge.cli.exits import UsageFault
from bridge.config import Config, Provider
from bridge.config.fields import web_url
from bridge.providers.catalogue import page_of, preset_names
from bridge.providers.configured import overrides
from bridge.providers.page import Page
from bridge.providers.request import check_key


def known_providers(config: Config | None) -> list[dict[str, Any]]:
    """Those configured, then the presets that are not."""
    configured = config.providers if config else {}
    known = {name: Provider(preset=name) for name in preset_names()} | dict(configured)
    return [
        shown(name, settings, configured=name in configured)
        for name, settings in sorted(
            known.items(), key=lambda item: (item[0] not in configured, item[0])
        )
    ]


def shown(name: str, settings: Provider, *, configured: bool) -> dict[str, Any]:
    page = page_of(settings.preset, overrides(settings))
    return {
        "name": name,
        "preset": settings.preset,
        "title": page.title or None,
        "base_url": settings.base_url or page.base_url,
        "docs": page.docs,
        "configured": configured,
        "enabled": settings.enabled,
        "has_key": settings.api_key is not None,
        "params": sorted(page.params),
    }


def page_shown(settings: Provider) -> dict[str, Any]:
    """The whole page that applies, as it would be written, without what is empty."""
    page = page_of(settings.preset, overrides(settings))
    if settings.base_url:
        page = page.model_copy(update={"base_url": settings.base_url})
    told = written(page)
    return told if page.auth else {**told, "auth": None}


def written(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = without_empty(page.model_dump(mode="json", by_alias=True))
    return found


def without_empty(value: Any) -> Any:
    """
    >>> without_empty({"path": "/t", "aliases": [], "auth": {"header": None}})
    {'path': '/t'}
    """
    if not isinstance(value, Mapping):
        return value
    kept = {key: without_empty(each) for key, each in value.items()}
    return {key: each for key, each in kept.items() if each not in (None, "", [], {})}


def alone(
    config: Config | None,
    name: str,
    settings: Provider,
    *,
    key: str | None,
    base_url: str | None,
) -> Config:
    """A configuration with this one provider, as the options change it."""
    update: dict[str, Any] = {"enabled": True}
    if base_url is not None:
        try:
            update["base_url"] = web_url(base_url, query=False).rstrip("/")
        except ValueError as error:
            raise UsageFault(f"--base-url: {error}") from None
    if key is not None:
        faults = check_key(page_of(settings.preset, overrides(settings)), key)
        if faults:
            raise UsageFault(*(f"--key: {fault.message}" for fault in faults))
        update["api_key"] = SecretStr(key)
    changed = settings.model_copy(update=update)
    return (config or stand_in()).model_copy(update={"providers": {name: changed}})


def stand_in() -> Config:
    """A configuration of which only the providers are used."""
    client = {"api_keys": [secrets.token_hex()], "signing_secrets": [signature.mint()]}
    return Config.model_validate(
        {"encryption_keys": [secrets.token_hex()], "clients": {"default": client}}
    )
