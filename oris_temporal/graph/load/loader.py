"""`load_graph`: from a graph file to a compiled graph."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..compiled import CompiledGraph
from ..plugins import NodePluginRegistry, default_registry
from .builder import GraphBuilder
from .graph_file import GraphFile
from .part import misfit
from .place import Place
from .reading import is_file_name, read_file, read_text
from .references import References


def load_graph(
    source: Mapping[str, Any] | str | os.PathLike[str],
    *,
    registry: NodePluginRegistry | None = None,
    functions: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> CompiledGraph:
    """Load a graph that is declared as data, and compile it.

    Args:
        source: The graph as a dict, as JSON or YAML text, or the path of a ``.json``, ``.yaml`` or ``.yml``
            file. Files that it names are looked for beside it, or in the working directory if it is no file.
        registry: Where to look node plugins up. Default: the registry `node_plugin` fills.
        functions: Functions, classes and graphs that references in the source may name, besides
            ``module:attribute``.
        name: Name of the graph, in place of the one in the source.

    Raises:
        GraphCompileError: Something is wrong with the source, or with the graph; the message says where in
            the source, as in ``flow.yaml: nodes[2].options.timeout``.
        DeterminismError: Code that runs inside the workflow does what a replay cannot repeat.
        ConfigurationError: The source is YAML and PyYAML is not installed.
    """
    loader = Loader(default_registry if registry is None else registry, References(functions or {}))
    place = Place("graph")
    if isinstance(source, Mapping):
        return loader.document(dict(source), place, Path(), name)
    if not isinstance(source, str | os.PathLike):
        raise place.error(f"{type(source).__name__} objects are no graphs. Pass a dict, text or the path of a file.")
    if isinstance(source, os.PathLike) or is_file_name(source):
        return loader.file(Path(source), name)
    return loader.document(read_text(source, place), place, Path(), name)


class Loader:
    """Loads graphs, each file once, so that nodes may share a graph.

    Attributes:
        registry: Where node plugins are looked up.
        references: Where functions, classes and graphs are looked up.
    """

    def __init__(self, registry: NodePluginRegistry, references: References) -> None:
        self.registry = registry
        self.references = references
        self._files: dict[Path, CompiledGraph | None] = {}  # None while it is being loaded

    def file(self, path: Path, name: str | None = None) -> CompiledGraph:
        """Load a file."""
        place, key = Place(path.name), path.resolve()
        if key not in self._files:
            self._files[key] = None
            self._files[key] = self.document(read_file(path, place), place, path.parent, name)
        graph = self._files[key]
        if graph is None:
            raise place.error("this graph contains itself. Break the circle of files.")
        return graph

    def document(self, data: Any, place: Place, folder: Path, name: str | None) -> CompiledGraph:
        """Load the data of a document; files that it names are looked for in `folder`."""
        try:
            file = GraphFile.model_validate(data)
        except ValidationError as error:
            raise misfit(error, place) from None
        name = name or file.name
        if not name:
            raise place.at("name").error("the graph needs a name. Write one, or pass load_graph(..., name=...).")
        return GraphBuilder(self, file, place, folder, name).build()
