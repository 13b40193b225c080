"""Reads one YAML file into a `Tree` that knows the line of every setting.

Stricter than YAML: no tags, no merge keys, no key twice. Aliases are allowed, but what
they unfold to is counted, and so is the depth.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bridge.config.interpolation import expanded, mentioned
from bridge.config.scalar import Plain, null
from bridge.config.tree import Path as Keys
from bridge.config.tree import Tree

MAX_BYTES = 1_048_576
MAX_NODES = 20_000
MAX_DEPTH = 24

_KINDS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")


def read(path: Path, environ: Mapping[str, str], *, shown: str) -> Tree:
    """`shown` is how the file is called in faults."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        tree = Tree(shown)
        tree.fault((), shown, f"cannot be read: {error.strerror}")
        return tree
    return parsed(raw, environ, folder=path.parent, shown=shown)


def parsed(raw: bytes, environ: Mapping[str, str], *, folder: Path, shown: str) -> Tree:
    """Relative files in ``${file:…}`` are looked for in `folder`."""
    tree = Tree(shown)
    if len(raw) > MAX_BYTES:
        tree.fault((), shown, "larger than 1 MiB")
    else:
        _Reading(tree, environ, folder).take(raw)
    return tree


class _Loader(yaml.SafeLoader):
    """In Python, not libyaml, which overflows the stack on deeply nested brackets."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML declares it so

    def fetch_flow_collection_start(self, token: type[yaml.Token]) -> None:
        """Looking for keys takes time that grows with the square of the depth."""
        if self.flow_level > 4 * MAX_DEPTH:
            raise RecursionError
        super().fetch_flow_collection_start(token)


class _Reading:
    """One pass over one file."""

    def __init__(self, tree: Tree, environ: Mapping[str, str], folder: Path) -> None:
        self._tree, self._environ, self._folder = tree, environ, folder
        self._nodes = 0

    def take(self, raw: bytes) -> None:
        try:
            root = yaml.compose(raw.decode("utf-8-sig"), _Loader)
            given = {} if root is None else self._value(root, ())
        except UnicodeDecodeError as error:
            line = raw[: error.start].count(b"\n") + 1
            self._fault_at(line, "not UTF-8; save the file in that encoding")
        except RecursionError:
            self._fault_at(1, "nested too deeply")
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self._fault_at(mark.line + 1 if mark else 1, _plainly(error.problem))
        except yaml.YAMLError:
            self._fault_at(1, "not YAML: it holds a control character")
        else:
            if isinstance(given, dict):
                self._tree.values = given
            elif given is not None:
                self._fault_at(1, 'the file must be a mapping: lines of "key: value"')

    def _fault_at(self, line: int, what: str, keys: Keys = ()) -> None:
        self._tree.fault(keys, f"{self._tree.name}:{line}", what)

    def _value(self, node: yaml.Node, keys: Keys) -> Any:
        line = node.start_mark.line + 1
        self._nodes += 1
        if self._nodes > MAX_NODES or len(keys) > MAX_DEPTH:
            raise yaml.MarkedYAMLError(
                problem="too many or too deeply nested values", problem_mark=node.start_mark
            )
        self._tree.origins.setdefault(keys, f"{self._tree.name}:{line}")
        if node.tag not in _KINDS:
            # Not quoted: a password that begins with "!" looks like a tag.
            self._fault_at(line, 'tags are not read; put a value with "!" in quotes', keys)
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, keys)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, keys, line)
        return self._sequence(node, keys)

    def _mapping(self, node: yaml.MappingNode, keys: Keys) -> dict[str, Any]:
        found: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is None or key == "<<":
                what = "a key must be text" if key is None else "merge keys are not read"
                self._fault_at(line, what, keys)
            elif key in first:
                what = f"set twice (first in line {first[key]}); keep one of them"
                self._fault_at(line, what, (*keys, key))
            else:
                first[key] = line
                self._tree.origins[*keys, key] = f"{self._tree.name}:{line}"
                found[key] = self._value(value_node, (*keys, key))
        return found

    def _sequence(self, node: yaml.Node, keys: Keys) -> list[Any]:
        found: list[Any] = []
        for each in node.value:
            path = (*keys, len(found))
            value = self._value(each, path)
            # "${NEXT_KEY:-}" that is not set leaves no empty item behind; a faulty one
            # keeps its place, so that the next has the index it is written with.
            dropped = value is None and "${" in str(each.value)
            if not dropped or self._tree.faulty(path):
                found.append(value)
        return found

    def _scalar(self, node: yaml.ScalarNode, keys: Keys, line: int) -> str | None:
        text: str = node.value
        plain = node.style is None
        if plain and null(text):
            return None
        if "${" in text:
            self._tree.mentioned |= mentioned(text)
            try:
                text = expanded(text, self._environ, self._folder)
            except ValueError as error:
                self._fault_at(line, str(error), keys)
                return None
            if not text:
                return None
        return Plain(text) if plain else text


def _plainly(problem: str | None) -> str:
    """What PyYAML says, unless it quotes the file, where the quoted may be a secret."""
    if problem is None or "'" in problem or '"' in problem:
        return "not YAML; check quotes, colons and indentation here"
    return f"not YAML: {problem}"
