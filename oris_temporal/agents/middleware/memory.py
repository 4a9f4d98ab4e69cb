"""Files that an agent always has in mind."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NotRequired, TypedDict

from oris_temporal.graph.context import Context
from oris_temporal.graph.errors import ToolError
from oris_temporal.graph.messages import Message
from oris_temporal.tools import Runtime, Tool, ToolOutput, tool
from oris_temporal.tools.files import FileBackend, clean_path, on_files, open_files

from .base import Middleware, ModelCall, ModelHandler, State

CHARACTERS = 20_000
"""Characters of a memory file that the model is always shown."""


class MemoryState(TypedDict):
    """State of `MemoryMiddleware`.

    Attributes:
        memory: Texts of the files by path, as they were when the run began; those that were not there are left out.
    """

    memory: NotRequired[dict[str, str]]


class MemoryMiddleware(Middleware):
    """Shows the model files, such as ``AGENTS.md``, as part of its system prompt.

    They are read when a run begins; what the agent changes with its file tools is shown from the next run on. A file need not be there
    yet.

    Args:
        backend: Where they are: a `FileBackend`, or a directory of the worker.
        paths: The files.
        system_prompt: What the model is told about them.
    """

    state_schema = MemoryState

    def __init__(
        self,
        backend: FileBackend | str | os.PathLike[str],
        paths: Sequence[str],
        *,
        system_prompt: str = (
            "These files are your memory, as they were when this run began. When you learn what will matter in other runs - a wish, a "
            "correction, how something is done here - write it into one of them with edit_file or write_file. Keep secrets out of them."
        ),
    ) -> None:
        self._paths = [clean_path(path) for path in paths]
        self._prompt = system_prompt
        self._reader = _reader(open_files(backend))
        self.own_tools = (self._reader,)

    async def before_agent(self, state: State, ctx: Context) -> Any:
        """See `Middleware.before_agent`."""
        return (await ctx.tool(self._reader, {"paths": self._paths})).update

    async def wrap_model_call(self, call: ModelCall, handler: ModelHandler) -> Message:
        """See `Middleware.wrap_model_call`."""
        known: Mapping[str, str] = call.state.get("memory") or {}
        shown = [f"### {path}\n{known.get(path, '(not there yet)')}" for path in self._paths]
        prompt = "\n\n".join(filter(None, [call.system_prompt, f"## Memory\n{self._prompt}", *shown]))
        return await handler(replace(call, system_prompt=prompt))


@functools.cache
def _reader(files: FileBackend) -> Tool:
    @tool(name="read_memory")
    async def read_memory(paths: list[str], runtime: Runtime) -> ToolOutput:
        """Read memory files for `MemoryMiddleware`."""
        backend = files.at(runtime)
        found: dict[str, str] = {}
        for path in paths:
            try:
                text = await backend.read(path)
            except ToolError as error:
                if error.kind != "not_found":
                    raise
                continue
            found[path] = text if len(text) <= CHARACTERS else f"{text[:CHARACTERS]}\n(cut: the rest is in the file)"
        return ToolOutput("", update={"memory": found})

    return on_files(read_memory, files, paths=lambda args: args["paths"])
