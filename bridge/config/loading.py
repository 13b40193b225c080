"""Puts the sources together: flags over environment over file over defaults."""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError

from bridge.config.agreement import Disagreement, disagreements
from bridge.config.document import read
from bridge.config.environment import from_environ, from_flags
from bridge.config.models import Config
from bridge.config.parties import Provider
from bridge.config.presets import built_in
from bridge.config.prose import explained
from bridge.config.tree import Fault, Tree
from bridge.errors import ConfigError

FILE = "config.yaml"
SYSTEM_FILE = Path("/etc/poll-bridge/config.yaml")

PageCheck = Callable[[Mapping[str, Provider]], Iterable[Disagreement]]


def unchecked(_providers: Mapping[str, Provider]) -> Iterable[Disagreement]:
    """No opinion on pages."""
    return ()


def load(
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    cwd: Path,
    *,
    pages: PageCheck = unchecked,
    presets: Mapping[str, bool] | None = None,
) -> Config:
    """The whole configuration, or a ConfigError with every fault there is.

    `flags` are named like keys (``"callbacks.timeout"``), plus ``config`` for the file;
    None counts as not given. `pages` says what is wrong with the pages of the providers,
    of which this package knows nothing. `presets` are those built in, unless a test brings
    its own: name, and whether the page says where the provider is.
    """
    presets = built_in() if presets is None else presets
    path = _file(flags, environ, cwd)
    below = Tree() if path is None else read(path, environ, shown=_shown(path, cwd))
    above = from_environ(environ, below, presets)
    if below.faults and not below.values:  # what is in the file nobody knows
        raise refused(below, above)
    given = set(above.origins.values()) - {"PORT"}
    if path is None and not given and not above.faults:
        raise ConfigError(_nothing(cwd))
    return settled(from_flags(flags).over(above.over(below)), presets, pages)


def settled(
    tree: Tree, presets: Mapping[str, bool], pages: PageCheck = unchecked
) -> Config:
    """`tree` validated, with the providers it leaves out filled in. Raises ConfigError."""
    config: Config | None = None
    try:
        config = Config.model_validate(tree.values)
    except ValidationError as error:
        for path, what in explained(error):
            if not tree.faulty(path):
                tree.blame(path, what)
    for path, what in disagreements(tree.values, presets):
        tree.blame(path, what)
    providers = _filled(_sound(tree) if config is None else config.providers, presets)
    for path, what in pages(providers):
        tree.blame(path, what)
    if config is None or tree.faults:
        raise refused(tree)
    return config.model_copy(update={"providers": providers})


def refused(*trees: Tree) -> ConfigError:
    """Their faults, each once, in the order of the file."""
    found = dict.fromkeys(fault for tree in trees for _, fault in tree.faults)
    return ConfigError(*(str(fault) for fault in sorted(found, key=_line)))


def _sound(tree: Tree) -> dict[str, Provider]:
    """The providers nothing is wrong with, in a configuration that is not sound itself."""
    given = tree.values.get("providers")
    return {
        name: Provider.model_validate(values)
        for name, values in (given.items() if isinstance(given, dict) else ())
        if not tree.faulty(("providers", name), inside=True)
    }


def _file(
    flags: Mapping[str, object], environ: Mapping[str, str], cwd: Path
) -> Path | None:
    named = {"--config": flags.get("config"), "BRIDGE_CONFIG": environ.get("BRIDGE_CONFIG")}
    for source, given in named.items():
        if given:
            path = cwd / str(given)
            if not is_there(path):
                raise ConfigError(f"{source}: there is no file {given}")
            return path
    return next((path for path in (cwd / FILE, SYSTEM_FILE) if is_there(path)), None)


def is_there(path: Path) -> bool:
    """Raises ConfigError if nobody can tell, as in a directory of somebody else's."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError as error:
        raise ConfigError(
            f"{path}: may not be looked for: {error.strerror}; run this as a user who may, "
            "or from another directory"
        ) from error
    return True


def _shown(path: Path, cwd: Path) -> str:
    return str(path.relative_to(cwd) if path.is_relative_to(cwd) else path)


def _nothing(cwd: Path) -> str:
    return (
        f"no configuration: --config and BRIDGE_CONFIG name no file, {cwd / FILE} and "
        f"{SYSTEM_FILE} do not exist, and no BRIDGE_… variable is set. "
        "Start from config.example.yaml, or try `poll-bridge serve --dev`."
    )


def _line(fault: Fault) -> int:
    """Lines of the file first and in order, then what has no line."""
    line = re.search(r":([0-9]+)$", fault.where)
    return int(line[1]) if line else 1 << 30


def _filled(
    given: Mapping[str, Provider], presets: Mapping[str, bool]
) -> Mapping[str, Provider]:
    """Presets by name; with no provider at all, every preset that is complete."""
    if not given:
        complete = [name for name in presets if presets[name]]
        return {name: Provider(preset=name) for name in complete}
    return {
        name: provider.model_copy(update={"preset": name})
        if provider.preset is None and name in presets
        else provider
        for name, provider in given.items()
    }
