"""Large results of tools: kept outside of the conversation, with a preview and a pointer in it."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from oris_temporal.graph.duration import Duration
from oris_temporal.graph.errors import ConfigurationError, ToolError
from oris_temporal.graph.execution import in_thread
from oris_temporal.store.base import Store

from .output import ToolOutput
from .runtime import Runtime
from .tool import Tool, tool

BYTES_PER_TOKEN = 4
"""About as many bytes of text make one token."""

_KEY = re.compile(r"[0-9a-f]{32}")


class ResultStore(Protocol):
    """Keeps texts by key. Every worker that calls the tools must reach the same ones."""

    async def put(self, key: str, text: str) -> None:
        """Keep a text. A key belongs to one text for ever, so there is nothing to do if it is known."""

    async def get(self, key: str) -> str | None:
        """The text of a key, or ``None`` if there is none (any more)."""


class DirectoryResultStore:
    """Keeps texts as files of a directory; several workers may share it.

    Nothing is deleted: remove files that are older than the threads that may read them.

    Args:
        directory: The directory; it is made if it is not there.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self._directory = Path(directory)

    async def put(self, key: str, text: str) -> None:
        """See `ResultStore.put`."""
        await in_thread(None, lambda: self._write(self._file(key), text))

    async def get(self, key: str) -> str | None:
        """See `ResultStore.get`."""
        return await in_thread(None, lambda: self._read(self._file(key)))  # type: ignore[no-any-return]

    def _file(self, key: str) -> Path:
        return self._directory / f"{key}.txt"

    def _write(self, file: Path, text: str) -> None:
        if file.exists():
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        # Under its name it is there whole or not at all, whoever else writes it and whenever this process dies.
        with tempfile.NamedTemporaryFile("wb", dir=self._directory, suffix=".part", delete=False) as part:
            part.write(text.encode(errors="surrogatepass"))
            part.flush()
            os.fsync(part.fileno())
        os.replace(part.name, file)

    def _read(self, file: Path) -> str | None:
        try:
            return file.read_bytes().decode(errors="surrogatepass")
        except FileNotFoundError:
            return None


class StoreResultStore:
    """Keeps texts in a `Store`, for workers that share a database and no directory.

    Args:
        store: The store.
        namespace: Where in it.
        ttl: How long to keep them; ``None`` is until they are deleted.
    """

    def __init__(
        self, store: Store, *, namespace: Sequence[str] = ("tool_results",), ttl: Duration | None = None
    ) -> None:
        self._store = store
        self._namespace = tuple(namespace)
        self._ttl = ttl

    async def put(self, key: str, text: str) -> None:
        """See `ResultStore.put`."""
        await self._store.put(self._namespace, key, text, ttl=self._ttl)

    async def get(self, key: str) -> str | None:
        """See `ResultStore.get`."""
        item = await self._store.get(self._namespace, key)
        return None if item is None else str(item.value)


class ToolResultEviction:
    """Keeps large results out of the conversation: the model gets their beginning, and a tool to read on.

    It happens where the tool runs, so a result may be larger than Temporal takes in one payload. Images stay with the message, and so
    do results of tools that run in the workflow.

    Args:
        store: Where they are kept: a `ResultStore`, or a directory that all workers share.
        max_tokens: Results of more tokens, as estimated by their size, are kept there.
        preview: Characters of them that stay in the conversation.
        reader: Name of the tool that reads on.

    Attributes:
        reader: The tool that reads on.

    Raises:
        ConfigurationError: A number is not positive, or the preview is no smaller than what it stands for.

    Example:
        >>> tools = ToolNode([search], evict=ToolResultEviction("/shared/results"))
        >>> model = llm_node("openai:gpt-4o-mini", tools=[tool.spec for tool in tools.tools])
    """

    def __init__(
        self,
        store: ResultStore | str | os.PathLike[str],
        *,
        max_tokens: int = 20_000,
        preview: int = 1_500,
        reader: str = "read_result",
    ) -> None:
        self._limit = max_tokens * BYTES_PER_TOKEN
        if max_tokens < 1 or not 0 < preview <= self._limit // 2:
            raise ConfigurationError(
                f"ToolResultEviction: max_tokens={max_tokens} and preview={preview} must be positive, and the preview at most half of it."
            )
        self._store = DirectoryResultStore(store) if isinstance(store, str | os.PathLike) else store
        self._preview = preview
        self._page = self._limit // 4  # a page has to fit even if every character has four bytes
        self._tools: dict[Tool, Tool] = {}
        self.reader = self._reader(reader)

    def on(self, tools: Sequence[Tool]) -> tuple[Tool, ...]:
        """Tools whose large results are kept away, each the same every time, and the tool that reads them."""
        return (*(self._on(item) for item in tools if item is not self.reader), self.reader)

    def _on(self, item: Tool) -> Tool:
        if item.run_as == "workflow" or item.evict is not None:
            return item
        return self._tools.setdefault(item, replace(item, evict=self.apply))

    async def apply(self, output: ToolOutput, name: str, runtime: Runtime) -> ToolOutput:
        """The output of a tool as it enters the conversation.

        Args:
            output: The output.
            name: Name of the tool.
            runtime: Which call it is.
        """
        text = output.content
        size = len(text.encode(errors="surrogatepass"))
        if size <= self._limit:
            return output
        # The key follows from the call and what it returned: another attempt finds it written, and no other call overwrites it, also
        # where a provider counts its call ids anew in every turn. A fork of the thread still reads it.
        parts = (runtime.thread_id, runtime.tool_call_id, name, text)
        key = hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:32]
        await self._store.put(key, text)
        told = (
            f"The result has {len(text):,} characters (about {size // BYTES_PER_TOKEN:,} tokens), too many to show. It begins with:\n\n"
            f"{text[: self._preview]}\n\n"
            f"[cut here; to read on, call {self.reader.name} with result={key!r} and offset={self._preview}]"
        )
        return replace(output, content=told)

    def _reader(self, name: str) -> Tool:
        page = self._page

        @tool(name=name)
        async def read_result(result: str, offset: int = 0, limit: int = page, find: str = "") -> str:
            """Read a result of a tool that was too large to show.

            Args:
                result: The key that stands where the result was cut.
                offset: Number of characters to skip.
                limit: Number of characters to read.
                find: Read from the first place at or after the offset that has this text.
            """
            text = await self._store.get(result) if _KEY.fullmatch(result) else None
            if text is None:
                raise ToolError(
                    f"There is no result {result!r}. Copy the key from where a result was cut, or call the tool again.",
                    kind="not_found",
                )
            start = max(0, offset)
            if find:
                start = text.find(find, start)
                if start < 0:
                    raise ToolError(f"The result has no {find!r} at or after character {offset:,}.", kind="not_found")
            if start >= len(text):
                raise ToolError(
                    f"The result has {len(text):,} characters; offset={offset} is beyond.", kind="invalid_input"
                )
            end = min(len(text), start + max(1, min(limit, page)))
            more = f"go on with offset={end}" if end < len(text) else "this is the end"
            return f"{text[start:end]}\n\n[characters {start:,} to {end:,} of {len(text):,}; {more}]"

        return read_result
