"""Node plugins: nodes made from a type name and a configuration, so that a graph can be data.

A plugin is a factory: it is given its configuration and returns the node, which is what ``add_node`` takes.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Generic, TypeAlias, TypeVar, overload

from pydantic import BaseModel, ValidationError

from .compiled import CompiledGraph
from .errors import GraphCompileError, OrisError
from .node import place_of

ConfigT = TypeVar("ConfigT")
ModelT = TypeVar("ModelT", bound=BaseModel)

NodeLike: TypeAlias = Callable[..., Any] | CompiledGraph
"""What a plugin makes: a function, async function, callable object or compiled graph."""

Model: TypeAlias = type[BaseModel]
Factory: TypeAlias = Callable[[ConfigT], NodeLike]

ENTRY_POINTS = "oris_temporal.node_plugins"
"""Entry point group by which packages offer plugins: ``delay = "my_package.nodes:delay"``."""


@dataclass(frozen=True)
class NodePlugin(Generic[ConfigT]):
    """A way to make nodes, known by its type name. Made by `node_plugin`; calling it calls the factory.

    Attributes:
        type: Name by which graphs ask for it.
        factory: Makes a node of a configuration.
        config: Pydantic model of the configuration; ``None`` hands the factory the dict. Unknown keys are
            errors unless the model says otherwise with ``extra``.

    Raises:
        GraphCompileError: The type is no text, the factory is async, or `config` is no Pydantic model.
    """

    type: str
    factory: Factory[ConfigT]
    config: Model | None = None

    def __post_init__(self) -> None:
        _check_type(self.type)
        if not callable(self.factory) or inspect.iscoroutinefunction(self.factory):
            raise GraphCompileError(
                f"{self}: the factory must be a plain function that returns the node. The node may be async."
            )
        if self.config is not None and not hasattr(self.config, "model_validate"):
            raise GraphCompileError(f"{self}: config={self.config!r} must be a Pydantic model class.")

    def __call__(self, config: ConfigT) -> NodeLike:
        """Call the factory."""
        return self.factory(config)

    def __str__(self) -> str:
        return f"Node plugin {self.type!r} ({place_of(self.factory)})"

    def create(self, config: Mapping[str, Any]) -> NodeLike:
        """Make a node.

        Args:
            config: The configuration as JSON data.

        Raises:
            GraphCompileError: The configuration does not fit, or the factory raised or returned no node.
        """
        checked: Any = self._checked(config)
        try:
            node = self.factory(checked)
        except OrisError:
            raise
        except Exception as error:
            raise GraphCompileError(
                f"{self}: its factory raised {type(error).__name__}: {error}", plugin=self.type
            ) from error
        if not isinstance(node, CompiledGraph) and not callable(node):
            raise GraphCompileError(
                f"{self}: its factory returned {type(node).__name__}. Return a function, a callable object "
                "or a compiled graph.",
                plugin=self.type,
            )
        _give_name(node, self.type)
        return node

    def _checked(self, config: Mapping[str, Any]) -> BaseModel | dict[str, Any]:
        if not isinstance(config, Mapping):
            raise GraphCompileError(
                f"{self}: the configuration must be an object, not {type(config).__name__}.", plugin=self.type
            )
        if self.config is None:
            return dict(config)
        if unknown := _unknown_keys(self.config, config):
            raise self._misfit(unknown[0], f"there is no field {', '.join(map(repr, unknown))}")
        try:
            return self.config.model_validate(config)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False)  # it may hold secrets
            told = [(".".join(map(str, problem["loc"])), problem["msg"]) for problem in problems]
            text = "; ".join(f"field {field!r}: {msg}" if field else msg for field, msg in told)
            raise self._misfit(told[0][0], text) from None

    def _misfit(self, field: str, told: str) -> GraphCompileError:
        known = [info.alias or name for name, info in getattr(self.config, "model_fields", {}).items()]
        return GraphCompileError(
            f"{self} does not accept its configuration: {told}. Its fields: {', '.join(known) or 'none'}.",
            plugin=self.type,
            field=field,
        )


class NodePluginRegistry:
    """Node plugins by type name."""

    def __init__(self) -> None:
        self._plugins: dict[str, NodePlugin[Any]] = {}

    def register(self, plugin: NodePlugin[Any]) -> None:
        """Add a plugin.

        Raises:
            GraphCompileError: There is one of this type.
        """
        if known := self._plugins.get(plugin.type):
            raise GraphCompileError(
                f"{plugin}: there is one of this type already, {known}. Choose another type name, or "
                "unregister the other one first.",
                plugin=plugin.type,
            )
        self._plugins[plugin.type] = plugin

    def unregister(self, type: str) -> None:
        """Remove a plugin.

        Raises:
            GraphCompileError: There is none of this type.
        """
        del self._plugins[self._find(type).type]

    def contains(self, type: str) -> bool:
        """Whether there is a plugin of this type."""
        return type in self._plugins

    def types(self) -> list[str]:
        """The types of all plugins, sorted."""
        return sorted(self._plugins)

    def create_node(self, type: str, config: Mapping[str, Any]) -> NodeLike:
        """Make a node, ready for ``add_node``.

        Args:
            type: Plugin type.
            config: The plugin's configuration, JSON data.

        Raises:
            GraphCompileError: There is no such plugin, it does not accept the configuration, or its factory
                failed.
        """
        return self._find(type).create(config)

    def load_entry_points(self) -> list[str]:
        """Register the plugins that installed packages offer in the entry point group `ENTRY_POINTS`.

        An entry point names a function decorated with `node_plugin`. Plugins that are registered already are
        left alone, so it may be called again.

        Returns:
            Their types.

        Raises:
            GraphCompileError: An entry point cannot be loaded (then none is registered), names no plugin, or
                offers a type that is taken.
        """
        found = sorted(entry_points(group=ENTRY_POINTS), key=lambda point: (point.name, point.value))
        plugins = [_load(point.name, point.value, point.load) for point in found]
        for plugin in plugins:
            if self._plugins.get(plugin.type) is not plugin:
                self.register(plugin)
        return sorted({plugin.type for plugin in plugins})

    def _find(self, type: str) -> NodePlugin[Any]:
        if type not in self._plugins:
            raise GraphCompileError(
                f"There is no node plugin {type!r} (there is {', '.join(self.types()) or 'none'}). "
                "Import the module that declares it with @node_plugin, or call load_entry_points() if an "
                "installed package offers it.",
                plugin=type,
            )
        return self._plugins[type]


default_registry = NodePluginRegistry()
"""Where `node_plugin` registers, and where graphs look, unless told otherwise."""


@overload
def node_plugin(
    type: str, *, config: type[ModelT], registry: NodePluginRegistry | None = None
) -> Callable[[Factory[ModelT]], NodePlugin[ModelT]]: ...
@overload
def node_plugin(
    type: str, *, config: None = None, registry: NodePluginRegistry | None = None
) -> Callable[[Factory[dict[str, Any]]], NodePlugin[dict[str, Any]]]: ...
def node_plugin(
    type: str, *, config: type[BaseModel] | None = None, registry: NodePluginRegistry | None = None
) -> Callable[[Factory[Any]], NodePlugin[Any]]:
    """Make a node plugin of the factory below, and register it.

    Args:
        type: Name by which graphs ask for it.
        config: Pydantic model of its configuration; without one the factory gets the dict.
        registry: Where to register it. Default: `default_registry`.

    Raises:
        GraphCompileError: The type is taken, or something is wrong with an argument.

    Example:
        >>> class DelayConfig(BaseModel):
        ...     seconds: float
        >>> @node_plugin("delay", config=DelayConfig)
        ... def delay(config: DelayConfig):
        ...     async def wait(state, ctx: Context):
        ...         await ctx.sleep(config.seconds)
        ...     return wait
        >>> graph.add_plugin_node("cool_down", "delay", {"seconds": 30})
    """

    def decorate(factory: Factory[Any]) -> NodePlugin[Any]:
        plugin = NodePlugin(type, factory, config)
        (default_registry if registry is None else registry).register(plugin)
        return plugin

    _check_type(type)
    return decorate


def _check_type(type: object) -> None:
    if not isinstance(type, str) or not type:
        raise GraphCompileError(
            f'A node plugin needs a type name, not {type!r}: @node_plugin("delay", config=DelayConfig).'
        )


def _unknown_keys(model: Model, config: Mapping[str, Any]) -> list[str]:
    """Keys that `model` would ignore; the models inside of it decide for themselves."""
    if "extra" not in model.model_config:
        try:
            model.model_validate(config, extra="forbid")
        except ValidationError as error:
            problems = error.errors(include_url=False)
            return [str(p["loc"][0]) for p in problems if p["type"] == "extra_forbidden" and len(p["loc"]) == 1]
    return []


def _load(name: str, value: str, load: Callable[[], Any]) -> NodePlugin[Any]:
    where = f"Entry point {name} = {value!r} of group {ENTRY_POINTS}"
    try:
        plugin = load()
    except Exception as error:
        raise GraphCompileError(
            f"{where} cannot be loaded: {type(error).__name__}: {error}. Mend or uninstall its package.",
            plugin=name,
        ) from error
    if not isinstance(plugin, NodePlugin):
        raise GraphCompileError(
            f"{where} names a {type(plugin).__name__}, not a node plugin. Decorate it with @node_plugin.",
            plugin=name,
        )
    return plugin


def _give_name(node: NodeLike, type: str) -> None:
    """Call a node after its plugin, unless its name is that of a function outside of the factory."""
    if isinstance(node, CompiledGraph) or "<locals>" not in getattr(node, "__qualname__", "<locals>"):
        return
    with contextlib.suppress(AttributeError, TypeError):  # frozen objects and those with slots keep theirs
        node.__name__ = type
