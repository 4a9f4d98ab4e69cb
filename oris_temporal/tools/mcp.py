"""MCP servers as sources of tools. The connection is opened where a tool is called: on the worker."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from oris_temporal.graph.duration import Duration
from oris_temporal.graph.errors import ConfigurationError, OrisError, ToolError, error_line
from oris_temporal.graph.messages import Image
from oris_temporal.graph.options import RetryPolicy

from .arguments import SchemaArguments
from .output import ToolOutput
from .secrets import check_no_secrets, kept_out_of_logs, with_secrets, without_secrets
from .tool import Tool

if TYPE_CHECKING:
    from mcp import Client, MCPError
    from mcp.types import CallToolResult, ContentBlock, EmbeddedResource
    from mcp.types import Tool as ListedTool

OPEN_SECONDS = 30
"""Longest time for starting, or reaching, a server and greeting it; twice as long if it is to list its tools as well."""

_PAGES = 1_000
"""Pages of a list of tools; a server that goes on for ever must not hang whoever asks."""


@dataclass
class _Found:
    """What the transport of a connection learned that does not reach the caller."""

    status: int | None = None


Opener = Callable[[_Found, list[str]], AbstractAsyncContextManager["Client"]]
"""Opens a connection; adds the secrets that it used to the list, so that errors can leave them out."""


class McpServer:
    """An MCP server whose tools models may call. Made by `McpServer.stdio` or `McpServer.http`.

    Each process has one connection to it: opened by the first call, opened again after it broke, and closed with the worker (or,
    in this process, with the run). Keep it open for longer with ``async with server:``.

    Args:
        name: What errors call it.
        opener: Opens a connection.

    Example:
        >>> files = McpServer.stdio("uvx", ["mcp-server-time"])
        >>> clock = asyncio.run(files.tools())
        >>> graph.add_node("tools", ToolNode(clock))
    """

    def __init__(self, name: str, opener: Opener) -> None:
        self.name = name
        self._opener = opener
        self._links: WeakKeyDictionary[asyncio.AbstractEventLoop, _Link] = WeakKeyDictionary()
        self._tools: dict[str, Tool] = {}

    @classmethod
    def stdio(
        cls,
        command: str,
        args: Sequence[str] = (),
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        name: str | None = None,
    ) -> Self:
        """A server that is a program, started on the worker.

        Args:
            command: The program.
            args: Its arguments. ``env:NAME`` in one stands for a variable of the worker, as for a token; other users of the machine may
                see arguments, so a server that takes it from its environment is better given ``env``.
            env: Environment variables on top of the few that it inherits (``PATH``, ``HOME`` and the like). ``env:NAME`` in a value
                stands for a variable of the worker; secrets must be given so.
            cwd: Directory it runs in.
            name: What errors call it; by default the program's name.

        Raises:
            ConfigurationError: A value looks like a secret.
        """
        called = name or PurePath(command).name
        check_no_secrets(f"MCP server {called}: env", env or {})
        return cls(called, partial(_open_stdio, called, command, list(args), dict(env or {}), cwd))

    @classmethod
    def http(cls, url: str, *, headers: Mapping[str, str] | None = None, name: str | None = None) -> Self:
        """A server that is reached by streamable HTTP.

        Args:
            url: Its address, or ``env:NAME`` of the worker's variable that has it.
            headers: HTTP headers, such as ``{"Authorization": "Bearer env:MY_TOKEN"}``. ``env:NAME`` in a value stands for a variable of
                the worker; secrets must be given so.
            name: What errors call it; by default the host.

        Raises:
            ConfigurationError: The address is none, or a value looks like a secret.
        """
        if not url.startswith("env:"):
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ConfigurationError("McpServer.http: the url must start with http:// or https://, or be env:NAME.")
            if parts.username or parts.password or parts.query:
                raise ConfigurationError(
                    "McpServer.http: the url may carry a secret; put it into a variable of the worker and pass 'env:NAME'."
                )
            name = name or parts.hostname
        called = name or "http"
        check_no_secrets(f"MCP server {called}: headers", headers or {})
        return cls(called, partial(_open_http, called, url, dict(headers or {})))

    async def tools(
        self,
        *,
        prefix: str = "",
        include: Sequence[str] = ("*",),
        exclude: Sequence[str] = (),
        timeout: Duration = "2m",
        retry: RetryPolicy | None = None,
        task_queue: str | None = None,
    ) -> list[Tool]:
        """Ask the server for its tools, as a graph is to have them.

        Args:
            prefix: Put before their names.
            include: Names, as the server has them, of tools to take; ``*`` stands for anything.
            exclude: Names of tools to leave out.
            timeout: Longest time for one attempt of a call.
            retry: Retry policy of calls. The default tries a call again, up to 3 times, whose connection broke.
            task_queue: Task queue of the workers that reach the server.

        Raises:
            ConfigurationError: A name is not there or cannot be a tool's, or package ``mcp`` is not installed.
            ToolError: The server cannot be reached, or refused.
        """
        async with self:
            try:
                async with asyncio.timeout(2 * OPEN_SECONDS):
                    listed = await self._list()
            except TimeoutError:
                text = f"MCP server {self.name} did not list its tools within {2 * OPEN_SECONDS} s."
                raise ToolError(text, kind="timeout", retryable=True) from None
        if unknown := [wanted for wanted in include if not any(fnmatchcase(item.name, wanted) for item in listed)]:
            raise ConfigurationError(
                f"MCP server {self.name} has no tool {unknown[0]!r}; there are {', '.join(item.name for item in listed) or 'none'}."
            )
        taken = [item for item in listed if _matches(item.name, include) and not _matches(item.name, exclude)]
        made: dict[str, Tool] = {}
        for item in taken:
            name = re.sub(r"[^A-Za-z0-9_-]", "_", f"{prefix}{item.name}")[:64]
            if name in made:
                raise ConfigurationError(
                    f"MCP server {self.name} has two tools that would be called {name!r}; exclude one."
                )
            try:
                arguments = SchemaArguments(item.input_schema)
            except ConfigurationError as error:
                raise ConfigurationError(f"Tool {item.name} of MCP server {self.name}: {error.message}") from error
            tool = Tool(
                name=name,
                description=item.description or item.title or item.name,
                fn=self._function(item.name),
                arguments=arguments,
                timeout=timeout,
                retry=retry or RetryPolicy(),
                task_queue=task_queue,
                source=self,
            )
            made[name] = self._known(tool)
        return list(made.values())

    async def call(self, name: str, args: Mapping[str, Any]) -> ToolOutput:
        """Call one of its tools.

        Args:
            name: Its name, as the server has it.
            args: Its arguments.

        Returns:
            What it said, also where it says that it failed.

        Raises:
            ToolError: The server cannot be reached (kind ``network``, worth another attempt) or refused the call.
        """
        async with self:
            return _output(await self._link.use(lambda client: client.call_tool(name, dict(args))))

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        if loop not in self._links:
            self._links[loop] = _Link(self.name, self._opener)
        self._link.users += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        link = self._link
        link.users -= 1
        if not link.users:
            await link.close()

    @property
    def _link(self) -> _Link:
        return self._links[asyncio.get_running_loop()]

    async def _list(self) -> list[ListedTool]:
        found: list[ListedTool] = []
        cursor: str | None = None
        for _ in range(_PAGES):
            page = await self._link.use(lambda client, cursor=cursor: client.list_tools(cursor=cursor))  # type: ignore[misc]
            found += page.tools
            cursor = page.next_cursor
            if cursor is None:
                break
        return found

    def _function(self, name: str) -> Callable[..., Any]:
        async def call(**args: Any) -> ToolOutput:
            return await self.call(name, args)

        return call

    def _known(self, tool: Tool) -> Tool:
        """The tool that was made of the same before, so that several graphs of a worker have one."""
        known = self._tools.get(tool.name)
        if known is None or _settings(known) != _settings(tool):
            self._tools[tool.name] = known = tool
        return known


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _settings(tool: Tool) -> tuple[Any, ...]:
    return tool.spec, tool.timeout, tool.retry, tool.task_queue


# --- the connection -----------------------------------------------------------------------------------------------


class _Link:
    """The connection of one event loop to a server.

    A task of its own opens and closes it, since that must happen in one task, and callers come and go.

    Attributes:
        users: How many want it to stay open.
    """

    def __init__(self, name: str, opener: Opener) -> None:
        self.users = 0
        self._name = name
        self._opener = opener
        self._current: _Connection | None = None

    async def use(self, request: Callable[[Client], Any]) -> Any:
        """Make a request.

        Raises:
            ToolError: It could not be made, or was refused.
        """
        connection = self._current
        if connection is None or connection.task.done():
            connection = self._current = _Connection(self._opener)
        try:
            client = await connection.client()
            connection.found.status = None  # what opening it met with is over
            return await connection.during(request(client))
        except (Exception, BaseExceptionGroup) as error:
            raise self._failure(connection, _leaf(error)) from None

    async def close(self) -> None:
        """Close the connection, if there is one."""
        connection, self._current = self._current, None
        if connection is not None:
            await connection.close()

    def _failure(self, connection: _Connection, error: BaseException) -> BaseException:
        from mcp import MCPError
        from mcp.types import CONNECTION_CLOSED, INTERNAL_ERROR, METHOD_NOT_FOUND

        status = connection.found.status
        if isinstance(error, MCPError) and error.code != CONNECTION_CLOSED:
            forgotten = (
                status == 404 and error.code != METHOD_NOT_FOUND
            )  # the session of before the server was started anew
            if not forgotten:
                return self._refused(connection, error, status if error.code == INTERNAL_ERROR else None)
        if self._current is connection:  # the next call opens another one
            self._current = None
        connection.closing.set()
        if isinstance(error, OrisError):  # something it needs is missing
            return error
        why = f"no answer within {OPEN_SECONDS} s" if isinstance(error, TimeoutError) else error_line(error)
        text = f"MCP server {self._name} cannot be reached: {connection.without_secrets(why)}."
        missing = isinstance(error, FileNotFoundError | PermissionError)
        return ToolError(text, kind="configuration" if missing else "network", retryable=not missing)

    def _refused(self, connection: _Connection, error: MCPError, status: int | None) -> ToolError:
        from mcp.types import INVALID_PARAMS, METHOD_NOT_FOUND, REQUEST_TIMEOUT

        text = f"MCP server {self._name} refused: {connection.without_secrets(error.message)}"
        if status is not None:
            kind = {401: "permission", 403: "permission", 429: "rate_limit"}.get(status, "network")
            return ToolError(f"{text} (HTTP status {status})", kind=kind, retryable=status == 429 or status >= 500)
        kinds = {INVALID_PARAMS: "invalid_input", METHOD_NOT_FOUND: "not_found", REQUEST_TIMEOUT: "timeout"}
        return ToolError(text, kind=kinds.get(error.code, "execution"), retryable=error.code == REQUEST_TIMEOUT)


class _LostError(Exception):
    """A connection ended while a request was under way."""


class _Connection:
    """One connection, from opening to closing.

    Attributes:
        task: The task that holds it.
        closing: Set to close it.
        found: What its transport learned.
    """

    def __init__(self, opener: Opener) -> None:
        self.closing = asyncio.Event()
        self.found = _Found()
        self._secrets: list[str] = []
        self._opened: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._opened.add_done_callback(lambda opened: opened.cancelled() or opened.exception())  # it may have no reader
        self.task = asyncio.create_task(self._hold(opener))

    async def client(self) -> Client:
        """The client, once it is there."""
        return await asyncio.shield(self._opened)

    async def during(self, request: Any) -> Any:
        """Result of a request, which ends when the connection does."""
        asking = asyncio.ensure_future(request)
        try:
            await asyncio.wait({asking, self.task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not asking.done():
                asking.cancel()
                await asyncio.wait({asking})
        if asking.cancelled():
            raise _LostError("the connection was lost")
        return asking.result()

    async def close(self) -> None:
        """Close it and wait until it is."""
        self.closing.set()
        await asyncio.wait({self.task})

    def without_secrets(self, text: str) -> str:
        """A text of the server or its transport, which may repeat what it was sent."""
        return without_secrets(text, self._secrets)

    async def _hold(self, opener: Opener) -> None:
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(OPEN_SECONDS):
                    client = await stack.enter_async_context(opener(self.found, self._secrets))
                self._opened.set_result(client)
                await self.closing.wait()
        except BaseException as error:
            # Once it is open, those who use it see it break: the transport raises here what has no other receiver.
            if self._opened.done():
                return
            self._opened.set_exception(_LostError("it ended") if isinstance(error, asyncio.CancelledError) else error)


@asynccontextmanager
async def _open_stdio(
    name: str,
    command: str,
    args: list[str],
    env: dict[str, str],
    cwd: str | os.PathLike[str] | None,
    found: _Found,
    secrets: list[str],
) -> AsyncIterator[Client]:
    mcp = _package()
    variables = with_secrets(f"MCP server {name}", env, secrets)
    given = with_secrets(f"MCP server {name}", {str(place): arg for place, arg in enumerate(args)}, secrets)
    parameters = mcp.StdioServerParameters(
        command=command, args=list(given.values()), env=variables, cwd=None if cwd is None else str(cwd)
    )
    # What the server says on stderr belongs into the worker's log; in a notebook sys.stderr is no file.
    async with mcp.Client(mcp.stdio_client(parameters, errlog=sys.__stderr__ or sys.stderr)) as client:
        yield client


@asynccontextmanager
async def _open_http(
    name: str, url: str, headers: dict[str, str], found: _Found, secrets: list[str]
) -> AsyncIterator[Client]:
    mcp = _package()
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    where = f"MCP server {name}"
    address = with_secrets(where, {"url": url}, secrets)["url"]

    async def look(response: httpx2.Response) -> None:
        if response.is_error:
            found.status = response.status_code

    limits = httpx2.Timeout(OPEN_SECONDS, read=None)  # calls have a limit of their own
    given = with_secrets(where, headers, secrets)
    with kept_out_of_logs(secrets, "httpx2", "mcp.client.streamable_http"):
        async with (
            httpx2.AsyncClient(headers=given, timeout=limits, event_hooks={"response": [look]}) as http,
            mcp.Client(streamable_http_client(address, http_client=http)) as client,
        ):
            yield client


def _package() -> Any:
    try:
        import mcp
    except ImportError as error:
        raise ConfigurationError(
            f"MCP servers need package {error.name!r}: pip install 'oris-temporal[mcp]'."
        ) from error
    return mcp


def _leaf(error: BaseException) -> BaseException:
    """The error in a group; task groups wrap whatever goes wrong in them."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


# --- what a tool returned -----------------------------------------------------------------------------------------


def _output(result: CallToolResult) -> ToolOutput:
    """A result as a model reads it. Structured content is added where the text does not say the same."""
    texts: list[str] = []
    images: list[dict[str, Any]] = []
    for block in result.content:
        text, image = _read_block(block)
        if text is not None:
            texts.append(text)
        if image is not None:
            images.append({"image_url": image.image_url})
    data = result.structured_content
    if data is not None and not _says(texts, data):
        texts.append(json.dumps(data, ensure_ascii=False))
    return ToolOutput("\n".join(texts), images or None, is_error=result.is_error)


def _read_block(block: ContentBlock) -> tuple[str | None, Image | None]:
    match block.type:
        case "text":
            return block.text, None
        case "image":
            return None, Image(f"data:{block.mime_type};base64,{block.data}")
        case "audio":
            return f"[audio, {block.mime_type}: cannot be shown]", None
        case "resource_link":
            about = f" - {block.description}" if block.description else ""
            return f"[{block.title or block.name}]({block.uri}){about}", None
        case "resource":
            return _read_resource(block)


def _read_resource(block: EmbeddedResource) -> tuple[str | None, Image | None]:
    content = block.resource
    if hasattr(content, "text"):
        return f"{content.uri}:\n{content.text}", None
    kind = content.mime_type or "application/octet-stream"
    if kind.startswith("image/"):
        return str(content.uri), Image(f"data:{kind};base64,{content.blob}")
    return f"[{content.uri}, {kind}: cannot be shown]", None


def _says(texts: list[str], data: Any) -> bool:
    """Whether the text has the data already. Servers repeat it there, a list one text an item."""
    said = [_parsed(text) for text in texts]
    alone = [data["result"]] if isinstance(data, dict) and data.keys() == {"result"} else []
    return any(said == [item] or said == item or texts == [item] for item in (data, *alone))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
