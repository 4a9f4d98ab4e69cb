"""Reading graph files: JSON and YAML."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from .place import Place


def is_file_name(text: str) -> bool:
    """Whether a text is the name of a graph file, rather than a graph or a reference."""
    return text.lower().endswith((".json", ".yaml", ".yml")) and "\n" not in text


def read_file(path: Path, place: Place) -> Any:
    """The data in a graph file."""
    if not is_file_name(path.name):
        raise place.error("a graph file's name must end in .json, .yaml or .yml.")
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise place.error(f"the file cannot be read: {error}.") from error
    return _parse_json(text, place) if path.suffix.lower() == ".json" else _parse_yaml(text, place)


def read_text(text: str, place: Place) -> Any:
    """The data in a text: JSON if it begins with a brace, else YAML."""
    return _parse_json(text, place) if text.lstrip().startswith("{") else _parse_yaml(text, place)


def _parse_json(text: str, place: Place) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except ValueError as error:
        raise place.error(f"this is not JSON: {error}.") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"an object has a key twice (its keys are {', '.join(key for key, _ in pairs)})")
    return found


def _parse_yaml(text: str, place: Place) -> Any:
    try:
        import yaml  # only those who write YAML need it
    except ModuleNotFoundError:
        raise ConfigurationError(
            f"{place}: YAML needs PyYAML, which is not installed. Install oris-temporal[yaml], or write the "
            "graph as JSON."
        ) from None
    try:
        return yaml.load(text, _yaml_loader())
    except yaml.YAMLError as error:
        raise place.error(
            f"this is not YAML (quote values that start with a special character: op: '>='): {error}"
        ) from None


@functools.cache
def _yaml_loader() -> Any:
    """A loader for JSON's kinds of data: ``yes`` and ``2030-01-01`` are text. No key may be there twice."""
    import yaml

    class JsonLoader(yaml.SafeLoader):
        yaml_implicit_resolvers = {}  # noqa: RUF012 - in place of those of YAML 1.1

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            if len(set(keys)) < len(keys):
                raise yaml.MarkedYAMLError(problem="a key is there twice", problem_mark=node.start_mark)
            return super().construct_mapping(node, deep)

    number = r"-?(?:0|[1-9][0-9]*)"
    for tag, pattern in {
        "null": r"null|~|",
        "bool": r"true|false",
        "int": number,
        "float": number + r"(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?",
        "merge": r"<<",
    }.items():
        JsonLoader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"(?:{pattern})\Z"), None)
    return JsonLoader
