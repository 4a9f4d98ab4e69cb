"""Calling tools as a host does: arguments are checked first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from oris_temporal.tools import Runtime, Tool

RUNTIME = Runtime(state=None, config={"configurable": {}}, tool_call_id="c-1", thread_id="t", write=print)


async def call(tool: Tool, *, runtime: Runtime = RUNTIME, **args: Any) -> str:
    """What a tool tells the model."""
    return (await tool.call(tool.check(args), runtime)).content


class Calls:
    """Tools by name, called as ``await calls.name(...)``."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = {tool.name: tool for tool in tools}

    def __getattr__(self, name: str) -> Any:
        async def made(**args: Any) -> str:
            return await call(self._tools[name], **args)

        return made
