"""YAML as configuration: plain values and the line each key stands on, nothing that runs and nothing that explodes.

In: text. Out: dictionaries, lists, strings, numbers, booleans, None, and line numbers by place; a :class:`ConfigError` with file,
line and key for anything that a careful reader would not accept: unknown tags, keys given twice, aliases that multiply.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

MOST_NODES = 200_000  # after aliases are followed
Place = tuple[str | int, ...]


class ConfigError(ValueError):
    """A configuration that cannot be used: which file, line and key, what is wrong, what would be right."""

    def __init__(self, message: str, *, path: str = "", line: int | None = None, key: str = "") -> None:
        self.message, self.path, self.line, self.key = message, path, line, key
        where = ":".join(part for part in (path, str(line) if line else "") if part)
        super().__init__(": ".join(part for part in (where, key, message) if part))


def spell(place: Place) -> str:
    """``("a", 0, "b")`` as ``a[0].b``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")


@dataclass
class Document:
    """A parsed file.

    Attributes
    ----------
    data
        Plain values.
    lines
        Place of each key or item -> line, from 1.
    """

    data: Any
    path: str = ""
    lines: dict[Place, int] = field(default_factory=dict)

    def error(self, place: Place, message: str) -> ConfigError:
        """A :class:`ConfigError` at `place`, or at the nearest place above it that has a line."""
        known = place
        while known and known not in self.lines:
            known = known[:-1]
        return ConfigError(message, path=self.path, line=self.lines.get(known), key=spell(place))


def parse(source: str, path: str = "") -> Document:
    """Parse one YAML document.

    Raises
    ------
    ConfigError
        Where it is not one, or not a harmless one.
    """
    document = Document(None, path)
    try:
        loader = yaml.SafeLoader(source)
        try:
            root = loader.get_single_node()
            if root is not None:
                document.data = _Builder(loader, document).build(root, ())
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line = mark.line + 1 if mark else None
        raise ConfigError(exc.problem or "not YAML", path=path, line=line) from None
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        if isinstance(exc, ConfigError):
            raise
        reason = "nested too deeply" if isinstance(exc, RecursionError) else str(exc).splitlines()[0]
        raise ConfigError(reason, path=path) from None
    return document


def load(path: Path) -> Document:
    """Read and parse the file at `path`."""
    try:
        source = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "not UTF-8"
        raise ConfigError(reason or str(exc), path=str(path)) from None
    return parse(source, str(path))


class _Builder:
    """Nodes to values, counted as if every alias were written out."""

    def __init__(self, loader: yaml.SafeLoader, document: Document) -> None:
        self._loader = loader
        self._document = document
        self._nodes = 0

    def build(self, node: yaml.Node, place: Place) -> Any:
        self._nodes += 1
        line = node.start_mark.line + 1
        self._document.lines.setdefault(place, line)
        if self._nodes > MOST_NODES or len(place) > 64:
            raise self._document.error(place, "too large once aliases are followed")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*place, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, place)

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        self._loader.flatten_mapping(node)
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._document.error(place, "a key has to be a word")
            key = self._scalar(key_node, place)
            here = (*place, key if isinstance(key, int) and not isinstance(key, bool) else str(key))
            line = key_node.start_mark.line + 1
            if key in found:
                raise ConfigError("given twice", path=self._document.path, line=line, key=spell(here))
            self._document.lines[here] = line
            found[key] = self.build(value_node, here)
        return found

    def _scalar(self, node: yaml.Node, place: Place) -> Any:
        if not str(node.tag).startswith("tag:yaml.org,2002:") or "python" in str(node.tag):
            line = node.start_mark.line + 1
            raise ConfigError(f"tag {node.tag} is not read here", path=self._document.path, line=line, key=spell(place))
        value = self._loader.construct_object(node)
        return value.isoformat() if isinstance(value, dt.date | dt.datetime) else value
