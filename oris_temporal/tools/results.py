"""Large results of tools: kept outside of the conversation, with a preview and a pointer in it."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import replace

from oris_temporal.graph.errors import ConfigurationError, ToolError

from .files import FileBackend, clean_path, on_files, open_files
from .output import ToolOutput
from .runtime import Runtime
from .tool import Tool, tool

BYTES_PER_TOKEN = 4
"""About as many bytes of text make one token."""

_KEY = re.compile(r"[0-9a-f]{32}")


class ToolResultEviction:
    """Keeps large results out of the conversation: the model gets their beginning, and a tool to read on.

    It happens where the tool runs, so a result may be larger than Temporal takes in one payload. Only a backend that keeps files in the
    state gets them in the workflow, so history has them once. Images stay with the message, and so do results of tools that run in the
    workflow. Nothing is deleted: see to it that results go when the threads go that may read them, for example by a time to live.

    Args:
        files: Where they are kept: a `FileBackend`, or a directory that all workers share.
        max_tokens: Results of more tokens, as estimated by their size, are kept there.
        preview: Characters of them that stay in the conversation.
        reader: Name of the tool that reads on.
        folder: Directory of the files.

    Attributes:
        reader: The tool that reads on.
        state_schema: TypedDict of the state field that has them, if they are in the state.

    Raises:
        ConfigurationError: A number is not positive, or the preview is no smaller than what it stands for.

    Example:
        >>> tools = ToolNode([search], evict=ToolResultEviction("/shared/results"))
        >>> model = llm_node("openai:gpt-4o-mini", tools=tools.tools)
    """

    def __init__(
        self,
        files: FileBackend | str | os.PathLike[str],
        *,
        max_tokens: int = 20_000,
        preview: int = 1_500,
        reader: str = "read_result",
        folder: str = "large_results",
    ) -> None:
        self._limit = max_tokens * BYTES_PER_TOKEN
        if max_tokens < 1 or not 0 < preview <= self._limit // 2:
            raise ConfigurationError(
                f"ToolResultEviction: max_tokens={max_tokens} and preview={preview} must be positive, and the preview at most half of it."
            )
        self._files = open_files(files)
        self._folder = clean_path(folder)
        self._in_workflow = self._files.in_state(self._folder)
        self._preview = preview
        self._page = self._limit // 4  # a page has to fit even if every character has four bytes
        self._tools: dict[Tool, Tool] = {}
        self.state_schema = self._files.state_schema
        self.reader = on_files(self._reader(reader), self._files, paths=lambda args: [self._folder])

    def on(self, tools: Sequence[Tool]) -> tuple[Tool, ...]:
        """Tools whose large results are kept away, each the same every time, and the tool that reads them."""
        return (*(self._on(item) for item in tools if item is not self.reader), self.reader)

    def _on(self, item: Tool) -> Tool:
        if self._in_workflow or not _may_be_large(item) or item.evict is not None:
            return item
        if item in self._tools:
            return self._tools[item]
        reads, detached = item.reads, item.detached
        if item.runtime is None:
            reads, detached = (), True
        changed = replace(
            item,
            evict=self.apply,
            reads=None if reads is None else tuple(dict.fromkeys((*reads, *self._files.reads))),
            detached=detached and not self._files.needs_run,
        )
        return self._tools.setdefault(item, changed)

    async def settle(self, item: Tool, output: ToolOutput, runtime: Runtime) -> ToolOutput:
        """The output of a tool as it enters the conversation, in the workflow: what is kept in the state is taken out here.

        Args:
            item: The tool.
            output: Its output.
            runtime: Which call it is, and the state.
        """
        if not self._in_workflow or item is self.reader or not _may_be_large(item):
            return output
        return await self.apply(output, item.name, runtime)

    async def apply(self, output: ToolOutput, name: str, runtime: Runtime) -> ToolOutput:
        """The output of a tool as it enters the conversation.

        Args:
            output: The output.
            name: Name of the tool.
            runtime: Which call it is.

        Raises:
            ToolError: It cannot be kept.
        """
        text = output.content.encode(errors="replace").decode()  # files are UTF-8
        size = len(text.encode())
        if size <= self._limit:
            return output
        # The key follows from the call and what it returned: another attempt finds it written, and no other call overwrites it, also
        # where a provider counts its call ids anew in every turn. A fork of the thread still reads it.
        parts = (runtime.thread_id, runtime.tool_call_id, name, text)
        key = hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:32]
        files = self._files.at(runtime)
        await files.write(self._path(key), text)
        told = (
            f"The result has {len(text):,} characters (about {size // BYTES_PER_TOKEN:,} tokens), too many to show. It begins with:\n\n"
            f"{text[: self._preview]}\n\n"
            f"[cut here; to read on, call {self.reader.name} with result={key!r} and offset={self._preview}]"
        )
        update = dict(output.update or {})
        for field, written in files.update.items():
            update[field] = {**update.get(field, {}), **written}
        return replace(output, content=told, update=update or None)

    def _path(self, key: str) -> str:
        return f"{self._folder}/{key}.txt" if self._folder else f"{key}.txt"

    async def _read(self, key: str, runtime: Runtime) -> str | None:
        if not _KEY.fullmatch(key):
            return None
        try:
            return await self._files.at(runtime).read(self._path(key))
        except ToolError as error:
            if error.kind != "not_found":
                raise
            return None

    def _reader(self, name: str) -> Tool:
        page = self._page

        @tool(name=name)
        async def read_result(  # noqa: D417 - models do not see the runtime
            runtime: Runtime, result: str, offset: int = 0, limit: int = page, find: str = ""
        ) -> str:
            """Read a result of a tool that was too large to show.

            Args:
                result: The key that stands where the result was cut.
                offset: Number of characters to skip.
                limit: Number of characters to read.
                find: Read from the first place at or after the offset that has this text.
            """
            text = await self._read(result, runtime)
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


def _may_be_large(item: Tool) -> bool:
    """Not what runs in the workflow; tools of which some calls do are tools over files, which show so much at once and no more."""
    return item.run_as != "workflow" and item.here is None
