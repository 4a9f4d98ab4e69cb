"""What tools know of a run, for code of nodes that does a tool's work."""

from __future__ import annotations

from typing import Any

from oris_temporal.graph.context import Context
from oris_temporal.tools import Runtime


def runtime_of(ctx: Context, state: Any, call_id: str = "") -> Runtime:
    """The runtime of a tool call, without the store and the context.

    Args:
        ctx: The node's context.
        state: The state.
        call_id: Id of the model's call.
    """
    return Runtime(state=state, config=ctx.config, tool_call_id=call_id, thread_id=ctx.thread_id, write=ctx.write)
