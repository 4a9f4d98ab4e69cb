"""Tools and small helpers of the tests of agents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from effects import note, ran

from oris_temporal import Message, RetryPolicy, Runtime, ToolCall, tool
from oris_temporal.agents import Middleware, ModelCall


@tool
async def look_up(what: str, runtime: Runtime) -> str:
    """Look something up."""
    note(runtime.config, f"look_up {what}")
    return f"{what} is a bird"


@tool
async def delete(path: str, runtime: Runtime) -> str:
    """Delete a file."""
    note(runtime.config, f"delete {path}")
    return f"{path} is gone"


@tool(retry=RetryPolicy(maximum_attempts=1))
async def flaky(what: str, fails: int, runtime: Runtime) -> str:
    """Fail so many times before it works."""
    note(runtime.config, f"flaky {what}")
    if ran[runtime.thread_id, f"flaky {what}"] <= fails:
        raise ConnectionError("no answer")
    return f"{what} at last"


def call(number: int, name: str, /, **args: Any) -> ToolCall:
    return ToolCall(f"call-{number}", name, args)


def texts(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(message["message_type"], message["content"]) for message in values["messages"]]


class Watch(Middleware):
    """Keeps the latest model calls, as they are made where it stands among the middleware."""

    def __init__(self) -> None:
        self.calls: list[ModelCall] = []

    async def wrap_model_call(self, call: ModelCall, handler: Any) -> Message:
        self.calls.append(call)
        return await handler(call)
