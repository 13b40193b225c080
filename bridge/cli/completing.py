"""Words that a shell completes. Each press of Tab is a process, so these load little."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

FILES = (Path("config.yaml"), Path("/etc/poll-bridge/config.yaml"))


def words(*known: str) -> Callable[[str], list[str]]:
    def fitting(incomplete: str) -> list[str]:
        return [each for each in known if each.startswith(incomplete)]

    return fitting


def provider_names(incomplete: str) -> list[str]:
    """Presets, and those of the configuration file, as far as that can be read."""
    from importlib.resources import files

    presets = (
        each.name for each in files("bridge.providers").joinpath("presets").iterdir()
    )
    known = {each.removesuffix(".yaml") for each in presets if each.endswith(".yaml")}
    return words(*sorted(known | configured()))(incomplete)


def configured() -> set[str]:
    import yaml

    named = os.environ.get("BRIDGE_CONFIG")
    places: Iterable[Path] = (Path(named),) if named else FILES
    try:
        path = next((each for each in places if each.exists()), None)
        told = yaml.safe_load(path.read_text("utf-8")) if path else None
    except (OSError, ValueError, yaml.YAMLError):
        return set()  # commands say what is wrong with it
    providers = told.get("providers") if isinstance(told, dict) else None
    return {str(name) for name in providers} if isinstance(providers, dict) else set()


def event_types(incomplete: str) -> list[str]:
    from bridge.messages.events import TASK_ENDED, TYPES

    return words(TASK_ENDED, *TYPES)(incomplete)


def formats(incomplete: str) -> list[str]:
    from bridge.formats import FORMATS

    return words(*FORMATS)(incomplete)


def subscription_states(incomplete: str) -> list[str]:
    from bridge.model import SubscriptionState

    return words(*SubscriptionState)(incomplete)


def statuses(incomplete: str) -> list[str]:
    from bridge.model import Status

    return words(*Status)(incomplete)


def outcomes(incomplete: str) -> list[str]:
    from bridge.model import Outcome

    return words(*Outcome)(incomplete)


def delivery_states(incomplete: str) -> list[str]:
    from bridge.model import DeliveryState

    return words(*DeliveryState)(incomplete)
