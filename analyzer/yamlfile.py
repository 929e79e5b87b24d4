"""Reading YAML that people write: plain values in, with the line of every key kept for the error message.

Safe by construction: no tags beyond YAML's own, no aliases (a file of 1 kB could unfold to gigabytes), no duplicate keys, bounded
size and depth. `${NAME}` in a string is replaced from the environment handed in. Floor 0: text in, values out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
Path = tuple[str | int, ...]
_STANDARD = "tag:yaml.org,2002:"
_KINDS = frozenset({"map", "seq", "str", "int", "float", "bool", "null", "timestamp"})
_ENV = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class ConfigError(ValueError):
    """The user's mistake: where it is and what to do about it."""

    def __init__(self, message: str, *, file: str, line: int | None = None, key: str = "") -> None:
        place = f"{file}:{line}" if line else file
        super().__init__(f"{place}: {key + ': ' if key else ''}{message}")
        self.file, self.line, self.key, self.reason = file, line, key, message


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: `value`, and for each path into it the line where it stands."""

    file: str
    value: object
    lines: Mapping[Path, int]

    def error(self, message: str, path: Path) -> ConfigError:
        """An error that points at the nearest line known for a path."""
        at = path
        while at and at not in self.lines:
            at = at[:-1]
        key = ".".join(str(p) for p in path)
        return ConfigError(message, file=self.file, line=self.lines.get(at), key=key)


def parse(text: str, *, file: str, env: Mapping[str, str] | None = None) -> Document:
    """One YAML document. Raises ConfigError, never anything else, whatever the text holds."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise ConfigError(f"larger than {MAX_BYTES} bytes", file=file)
    try:
        _refuse_aliases(text, file)
        loader = yaml.SafeLoader(text)
        builder = _Builder(loader, file, env or {})
        node = loader.get_single_node()
        value = None if node is None else builder.build(node, ())
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        raise ConfigError(str(e.problem or e.context or "not YAML"), file=file, line=mark.line + 1 if mark else None) from e
    except (yaml.YAMLError, ValueError, RecursionError) as e:
        if isinstance(e, ConfigError):
            raise
        raise ConfigError(f"not YAML: {e}"[:300], file=file) from e
    return Document(file, value, builder.lines)


def _refuse_aliases(text: str, file: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1 if event.start_mark else None
            raise ConfigError("aliases (*name) are not taken here; write the value out", file=file, line=line)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ConfigError(f"nested deeper than {MAX_DEPTH}", file=file)


class _Builder:
    """Nodes to plain values; remembers the line of every path on the way."""

    def __init__(self, loader: yaml.SafeLoader, file: str, env: Mapping[str, str]) -> None:
        self.lines: dict[Path, int] = {}
        self._loader, self._file, self._env = loader, file, env

    def build(self, node: yaml.Node, path: Path) -> object:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if node.tag.removeprefix(_STANDARD) not in _KINDS:
            message = f"the tag {node.tag} is not taken here; write plain values"
            raise ConfigError(message, file=self._file, line=node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*path, i)) for i, child in enumerate(node.value)]
        value = self._loader.construct_object(node)
        if isinstance(value, bool) and node.value.lower() not in {"true", "false"}:
            return str(node.value)  # `mode: on` is a word, as YAML 1.2 has it
        if isinstance(value, str):
            return _ENV.sub(lambda m: self._variable(m[1], path), value)
        if value is None or isinstance(value, bool | int | float):
            return value
        return str(node.value)  # dates and such stay the text that they are

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, object]:
        out: dict[str, object] = {}
        for key_node, child in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise ConfigError("a key must be a plain word", file=self._file, line=line)
            key = str(key_node.value)
            if key in out:
                raise ConfigError("the key is there twice", file=self._file, line=line, key=key)
            self.lines[(*path, key)] = line
            out[key] = self.build(child, (*path, key))
        return out

    def _variable(self, name: str, path: Path) -> str:
        if name in self._env:
            return self._env[name]
        key = ".".join(str(p) for p in path)
        raise ConfigError(f"environment variable {name} is not set", file=self._file, line=self.lines.get(path), key=key)
