"""The providers of a configuration: each preset's page with what the operator changed."""

from collections.abc import Callable, Mapping
from typing import Any

from bridge.cadence import PollPolicy
from bridge.config import Config
from bridge.config import Provider as Settings
from bridge.errors import ConfigError
from bridge.model import DIRECT, Way
from bridge.providers.catalogue import page_of
from bridge.providers.page import Page
from bridge.providers.provider import Provider
from bridge.providers.request import check_key

DEFAULT_LINK_LIFETIME_S = 3_600.0


def configured(
    config: Config, served: Callable[[str], str | None] = lambda _preset: None
) -> dict[str, Provider]:
    """Every provider that is switched on, by name. Raises ConfigError with all faults.

    `served` gives the base URL of a preset that this process serves itself.
    """
    providers: dict[str, Provider] = {}
    faults: list[str] = []
    for name, settings in config.providers.items():
        if settings.enabled:
            try:
                providers[name] = provider_of(name, settings, served)
            except ConfigError as error:
                faults += (f"providers.{name}: {fault}" for fault in error.faults)
    if faults:
        raise ConfigError(*faults)
    return providers


def provider_of(
    name: str, settings: Settings, served: Callable[[str], str | None]
) -> Provider:
    page = page_of(settings.preset, overrides(settings))
    key = settings.api_key.get_secret_value() if settings.api_key else None
    if key is not None and (faults := check_key(page, key)):
        raise ConfigError(*(f"api_key: {fault.message}" for fault in faults))
    base_url = served(settings.preset or "") if settings.base_url is None else None
    base_url = base_url or page.base_url
    if base_url is None:
        raise ConfigError("base_url is missing: its page does not say where it is")
    return Provider(
        name=name,
        preset=settings.preset,
        page=page,
        base_url=str(base_url),
        key=key,
        policy=policy_of(page),
        rate=page.rate_limit,
        way=way_of(settings),
    )


def way_of(settings: Settings) -> Way:
    """Its host is the operator's, or a preset's: the proxy may look the name up."""
    if settings.proxy is None and settings.ca_file is None:
        return DIRECT
    return Way(
        proxy=settings.proxy.get_secret_value() if settings.proxy else None,
        authorities=settings.ca_file.pem if settings.ca_file else None,
        by_name=True,
    )


def overrides(settings: Settings) -> dict[str, Any]:
    """The operator's own page, with the short settings beside it laid over."""
    page: dict[str, Any] = dict(settings.page or {})
    if settings.base_url is not None:
        page["base_url"] = str(settings.base_url)
    poll = {
        "interval": settings.poll.interval_s,
        "first": settings.poll.first_s,
        "min": settings.poll.min_s,
        "max": settings.poll.max_s,
        "timeout": settings.poll.timeout_s,
        "cadence": settings.poll.cadence,
    }
    given = {key: value for key, value in poll.items() if value is not None}
    if given:
        page["poll"] = {**page.get("poll", {}), **given}
    if settings.rate_limit is not None:
        page["rate_limit"] = str(settings.rate_limit)
    if settings.deadline_s is not None:
        page["deadline"] = settings.deadline_s
    if settings.params:
        page["params"] = with_param_defaults(page.get("params", {}), settings.params)
    return page


def with_param_defaults(
    params: Mapping[str, Any], defaults: Mapping[str, str]
) -> dict[str, Any]:
    return {
        **params,
        **{
            name: {**params.get(name, {}), "default": text}
            for name, text in defaults.items()
        },
    }


def policy_of(page: Page) -> PollPolicy:
    return PollPolicy(
        first_s=page.poll.first,
        interval_s=page.poll.interval,
        min_s=page.poll.min,
        max_s=page.poll.max,
        mode=page.poll.cadence,
        expected_s=page.expected,
        refresh_s=page.refresh,
        timeout_s=page.poll.timeout,
        grace_s=page.not_found_grace,
        deadline_s=page.deadline,
        retention_s=page.retention,
        link_lifetime_s=page.link_lifetime or DEFAULT_LINK_LIFETIME_S,
    )
