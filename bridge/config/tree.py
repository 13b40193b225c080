"""Settings as they were given, each remembered with the place it came from."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Path = tuple[str | int, ...]

NOT_A_GROUP = 'must be lines of "key: value"'


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to fix: where it is written, which key it is, and what to do."""

    where: str  # "config.yaml:12", "BRIDGE_LISTEN", "--listen"
    key: str  # "callbacks.timeout"; empty for the source as a whole
    what: str

    def __str__(self) -> str:
        """One line that can be printed, whatever characters a key is made of."""
        line = ": ".join(part for part in (self.where, self.key, self.what) if part)
        return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


@dataclass(slots=True)
class Tree:
    """Nested settings from one or several sources, not yet validated."""

    name: str = ""  # what a setting without an origin of its own is blamed on
    values: dict[str, Any] = field(default_factory=dict, repr=False)
    origins: dict[Path, str] = field(default_factory=dict)
    faults: list[tuple[Path, Fault]] = field(default_factory=list)
    mentioned: set[str] = field(default_factory=set)  # names in ${…}

    def put(self, path: tuple[str, ...], value: object, origin: str) -> None:
        """Set one value, in place of whatever was there and was wrong with it."""
        within = self.values
        for depth, key in enumerate(path[:-1], 1):
            if not isinstance(within.get(key), dict):
                if within.get(key) is not None:
                    self.blame(path[:depth], NOT_A_GROUP)
                within[key] = {}
            within = within[key]
        within[path[-1]] = value
        for old in [each for each in self.origins if each[: len(path)] == path]:
            del self.origins[old]
        self.faults = [each for each in self.faults if each[0][: len(path)] != path]
        self.origins[path] = origin

    def fault(self, path: Path, where: str, what: str) -> None:
        self.faults.append((path, Fault(where, dotted(path), what)))

    def blame(self, path: Path, what: str) -> None:
        """A fault with what was given at `path`, wherever that was."""
        self.fault(path, self.origin(path), what)

    def faulty(self, path: Path, *, inside: bool = False) -> bool:
        """Whether there is a fault at `path` or around it already; or `inside` it."""
        return any(
            known
            and (path[: len(known)] == known or (inside and known[: len(path)] == path))
            for known, _ in self.faults
        )

    def origin(self, path: Path) -> str:
        """Where `path` was given; for what is missing, where its surroundings were."""
        for length in range(len(path), 0, -1):
            near = path[:length]
            if near in self.origins:
                return self.origins[near]
            inside = [o for p, o in self.origins.items() if p[:length] == near]
            if inside:
                return inside[0]
        return self.name

    def over(self, below: "Tree") -> "Tree":
        """Both together; where both set a key, this one's value stands."""
        both = Tree(below.name or self.name, _copied(below.values), dict(below.origins))
        both.faults = list(below.faults)
        for path, value in _leaves(self.values):
            both.put(path, value, self.origin(path))
        both.faults += self.faults
        return both


def dotted(path: Path) -> str:
    """
    >>> dotted(("clients", "shop", "api_keys", 0))
    'clients.shop.api_keys[0]'
    """
    return re.sub(
        r"\.\[", "[", ".".join(f"[{p}]" if isinstance(p, int) else p for p in path)
    )


def variable(path: Path) -> str:
    """The environment variable that sets the key.

    >>> variable(("callbacks", "timeout")), variable(("providers", "rong-us", "api_key"))
    ('BRIDGE_CALLBACKS__TIMEOUT', 'BRIDGE_PROVIDERS__RONG_US__API_KEY')
    """
    keys = (re.sub(r"[-.]", "_", part).upper() for part in path if isinstance(part, str))
    return "BRIDGE_" + "__".join(keys)


def _leaves(
    values: Mapping[str, Any], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value


def _copied(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _copied(v) if isinstance(v, dict) else v for k, v in values.items()}
