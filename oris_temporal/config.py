"""Settings of the worker, the facade and the command line, read from environment variables.

The connection to Temporal is not among them: it is configured as for every other Temporal program, by
`temporalio.envconfig` (``TEMPORAL_ADDRESS``, ``TEMPORAL_NAMESPACE``, TLS, API key, TOML profiles).
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from .graph.errors import ConfigurationError, OrisError

if TYPE_CHECKING:
    from .graph.compiled import CompiledGraph


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int


def parse_address(text: str) -> Address:
    """Read ``host:port``; an IPv6 host stands in brackets, ``[::1]:8080``.

    Args:
        text: The address. Port 0 lets the system choose a free one.

    Returns:
        Host, without brackets, and port.

    Raises:
        ConfigurationError: It is not an address of this form.
    """
    try:
        return _address(text)
    except ValueError as error:
        raise ConfigurationError(f"'{text}' is not an address: {error}.", value=text) from None


def _address(text: str) -> Address:
    parts = re.fullmatch(r"(?:\[([^][\s]+)\]|([^][:\s]+)):([^:]+)", text.strip())
    if parts is None:
        raise ValueError("it must be host:port, such as 127.0.0.1:8080 or [::1]:8080")
    host, port = parts[1] or parts[2], parts[3]
    if not (port.isascii() and port.isdigit() and int(port) <= 65_535):
        raise ValueError(f"its port '{port}' is not a number from 0 to 65535")
    return Address(host, int(port))


def _check_address(text: str) -> str:
    _address(text)
    return text


def _check_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it must be a URL that starts with http:// or https://")
    return text.rstrip("/")


def _check_no_space(text: str) -> str:
    if any(character.isspace() for character in text):
        raise ValueError("it must not contain white space")
    return text


def _check_graph(text: str) -> str:
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*", text):
        raise ValueError(f"'{text}' must be module:name, such as my_package.my_module:my_graph")
    return text


def _split(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


@dataclass(frozen=True)
class Variable:
    """Marks a field of `Settings` with the environment variable that sets it."""

    name: str


AddressText = Annotated[str, AfterValidator(_check_address)]
GraphPath = Annotated[str, AfterValidator(_check_graph)]
Url = Annotated[str, AfterValidator(_check_url)]
Word = Annotated[str, AfterValidator(_check_no_space)]


class Settings(BaseModel):
    """Settings of this package. A variable that is unset, empty or blank means the default."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    server_addr: Annotated[AddressText, Variable("ORIS_SERVER_ADDR")] = "127.0.0.1:8080"
    """``ORIS_SERVER_ADDR``: ``host:port`` on which the REST facade listens."""

    task_queue: Annotated[Word, Field(min_length=1, max_length=1000), Variable("ORIS_TASK_QUEUE")] = "oris"
    """``ORIS_TASK_QUEUE``: task queue of workers and of new runs; no white space, at most 1000 characters."""

    id_prefix: Annotated[Word, Field(max_length=200), Variable("ORIS_WORKFLOW_ID_PREFIX")] = ""
    """``ORIS_WORKFLOW_ID_PREFIX``: put before the thread id to make the workflow id, for a namespace that is
    shared with other programs; no white space, at most 200 characters."""

    graphs: Annotated[tuple[GraphPath, ...], BeforeValidator(_split), Variable("ORIS_GRAPHS")] = ()
    """``ORIS_GRAPHS``: graphs to serve, ``package.module:name`` separated by commas; see `load_graphs`."""

    default_graph: Annotated[Word | None, Variable("ORIS_DEFAULT_GRAPH")] = None
    """``ORIS_DEFAULT_GRAPH``: name of the graph for requests that name none; by default such a request needs
    exactly one graph."""

    ui_url: Annotated[Url | None, Variable("ORIS_TEMPORAL_UI")] = None
    """``ORIS_TEMPORAL_UI``: http(s) address of the Temporal Web UI, for links to runs; none by default."""

    metrics_addr: Annotated[AddressText | None, Variable("ORIS_METRICS_ADDR")] = None
    """``ORIS_METRICS_ADDR``: ``host:port`` on which Prometheus metrics are served; by default nowhere."""

    deployment: Annotated[Word | None, Variable("ORIS_DEPLOYMENT")] = None
    """``ORIS_DEPLOYMENT``: name of the worker deployment that workers belong to (Temporal's Worker Versioning);
    by default workers are not versioned."""

    @classmethod
    def variables(cls) -> dict[str, str]:
        """The environment variables that are read.

        Returns:
            Field name by variable name.
        """
        fields = cls.model_fields.items()
        return {mark.name: name for name, field in fields for mark in field.metadata if isinstance(mark, Variable)}

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read the settings from environment variables.

        Args:
            environ: The variables; those of this process by default.

        Returns:
            The settings.

        Raises:
            ConfigurationError: A value is not valid; the message names every such variable.
        """
        environ = os.environ if environ is None else environ
        variables = cls.variables()
        given = {field: environ.get(variable, "").strip() for variable, field in variables.items()}
        try:
            return cls.model_validate({field: value for field, value in given.items() if value})
        except ValidationError as error:
            names = {field: variable for variable, field in variables.items()}
            wrong = {names[str(item["loc"][0])]: _reason(item["msg"]) for item in error.errors()}
            message = " ".join(f"{name}='{given[variables[name]]}': {why}." for name, why in wrong.items())
            raise ConfigurationError(
                f"The environment has settings that are not valid. {message}", variables=sorted(wrong)
            ) from None


def _reason(message: str) -> str:
    return message.removeprefix("Value error, ")


def load_graphs(spec: str | Iterable[str]) -> list[CompiledGraph]:
    """Import the graphs that a command line or ``ORIS_GRAPHS`` names.

    The current directory is put on the import path, so that a module beside the caller is found without
    installing it. A module may run an event loop of its own: where one runs already, as in a server, graphs are
    imported in a thread.

    Args:
        spec: ``package.module:name`` items, separated by commas or as a sequence. A name is that of a
            compiled graph, of a list of them, or of a function without parameters that makes either.

    Returns:
        The graphs in the order named, each once.

    Raises:
        ConfigurationError: A module or a name is not found or not a graph, or two different graphs have one
            name.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _load(spec)
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(_load, spec).result()


def _load(spec: str | Iterable[str]) -> list[CompiledGraph]:
    if (here := os.getcwd()) not in sys.path:
        sys.path.insert(0, here)
    graphs: dict[str, CompiledGraph] = {}
    for item in _split(spec):
        for graph in _graphs_of(_find(item), item):
            if graphs.setdefault(graph.name, graph) is not graph:
                raise ConfigurationError(
                    f"'{item}' is a second graph with the name '{graph.name}'; every graph needs its own.",
                    graph=item,
                )
    return list(graphs.values())


def _find(item: str) -> Any:
    try:
        _check_graph(item)
    except ValueError as error:
        raise ConfigurationError(f"The graph {error}.", graph=item) from None
    module_name, _, path = item.partition(":")
    found: Any = _import(module_name, item)
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise ConfigurationError(
                f"The graph '{item}' is not found: '{module_name}' was imported but has no '{path}'.",
                graph=item,
            ) from None
    return found


def _import(name: str, item: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except OrisError:
        raise  # a graph of that module does not compile, which its own message explains better
    except ModuleNotFoundError as error:
        if error.name and f"{name}.".startswith(f"{error.name}."):
            why = f"is not found: there is no module '{error.name}' in the current directory or among the installed packages"
        else:
            why = f"cannot be loaded: the module '{name}' needs '{error.name}', which is not installed"
        raise ConfigurationError(f"The graph '{item}' {why}.", graph=item) from error
    except Exception as error:
        raise _unloadable(item, f"importing '{name}'", error) from error


def _graphs_of(value: Any, item: str, *, called: bool = False) -> Iterator[CompiledGraph]:
    from .graph.builder import StateGraph
    from .graph.compiled import CompiledGraph

    if isinstance(value, CompiledGraph):
        yield value
    elif isinstance(value, list | tuple):
        for element in value:
            yield from _graphs_of(element, item, called=True)
    elif isinstance(value, StateGraph):
        raise ConfigurationError(
            f"'{item}' is not compiled; name the result of its compile(name=...) instead.", graph=item
        )
    elif callable(value) and not called:
        yield from _graphs_of(_call(value, item), item, called=True)
    else:
        raise ConfigurationError(
            f"'{item}' is no graph but a value of type '{type(value).__name__}'; name a compiled graph, "
            "a list of them or a function that makes one.",
            graph=item,
        )


def _call(factory: Any, item: str) -> Any:
    if inspect.iscoroutinefunction(factory):
        raise ConfigurationError(
            f"'{item}' is an async function; name one that is not (it may call asyncio.run).", graph=item
        )
    try:
        inspect.signature(factory).bind()
    except TypeError as error:
        raise ConfigurationError(f"'{item}' cannot be called without arguments: {error}.", graph=item) from None
    try:
        return factory()
    except OrisError:
        raise
    except Exception as error:
        raise _unloadable(item, "calling it", error) from error


def _unloadable(item: str, what: str, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"The graph '{item}' cannot be loaded: {what} raised {type(error).__name__}: {error}", graph=item
    )
