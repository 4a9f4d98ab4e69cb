"""Hooks of middleware that run as activities: tools that no model is offered."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import BaseModel, ConfigDict

from oris_temporal.graph.context import Context
from oris_temporal.graph.control import Command
from oris_temporal.graph.errors import GraphError, ToolError
from oris_temporal.graph.state import StateSchema
from oris_temporal.tools import Runtime, Tool, ToolOutput
from oris_temporal.tools.arguments import ModelArguments

from .middleware.base import Middleware
from .state import Draft


class _Since(BaseModel):
    """What the hooks before it have done to the state, which the activity gets by reference."""

    model_config = ConfigDict(extra="forbid")

    updates: list[dict[str, Any]] = []


def hook_tool(item: Middleware, hook: str, schema: StateSchema, taken: Collection[str]) -> Tool:
    """A state hook as a tool.

    Args:
        item: The middleware.
        hook: Name of the hook.
        schema: The agent's state.
        taken: Names of other tools; several middleware of an agent may be called the same.
    """
    fn = getattr(item, hook)
    name, number = f"{item.name}.{hook}", 2
    while name in taken:
        name, number = f"{item.name}-{number}.{hook}", number + 1

    async def run(updates: list[dict[str, Any]], runtime: Runtime) -> ToolOutput:
        draft = Draft(schema, runtime.state, name)
        for update in updates:
            draft.apply(update, hook)
        returned = await fn(draft.state)
        if not isinstance(returned, Command):
            returned = Command(update=returned or {})
        wire = schema.update_wire(returned.update, name) if returned.update else None
        return ToolOutput("", update=wire, goto=list(returned.destinations) or None)

    return Tool(
        name=name,
        description=f"Hook {hook} of {item.name}.",
        fn=run,
        arguments=ModelArguments(_Since),
        runtime="runtime",
        timeout="10m",
    )


async def run_activity_hook(hook: Tool, draft: Draft, ctx: Context) -> Command:
    """Run a hook as an activity; returns what it returned.

    Args:
        hook: What `hook_tool` made.
        draft: The state within this step.
        ctx: The node's context.
    """
    try:
        output = await ctx.tool(hook, {"updates": draft.updates()})
    except ToolError as error:  # nobody is to be told but who runs the agent
        raise error.__cause__ if isinstance(error.__cause__, GraphError) else error from None
    return Command(update=output.update, goto=output.goto or ())
