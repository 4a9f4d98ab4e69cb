"""Agents for workers that are killed: they ask a provider over HTTP, and their tools note what they do in ``ORIS_TEST_DIR``."""

from __future__ import annotations

from typing import Any

from crash_graphs import SOON, did, until

from oris_temporal import Runtime, create_agent, init_chat_model, interrupt, tool
from oris_temporal.agents import Middleware, SubAgent, ToolRequest, agent_tool, create_deep_agent, create_supervisor
from oris_temporal.tools import ToolOutput

LOST = "6s"
"""A worker silent for this long is lost: not so short that one counts as lost because the machine is busy."""

MODEL = init_chat_model("openai:gpt-test", heartbeat=LOST)


@tool(heartbeat=LOST, retry=SOON)
async def look_up(what: str, runtime: Runtime) -> str:
    """Look something up. It takes its time with herons."""
    did(f"{runtime.thread_id}:begin-{what}")
    if what == "heron":
        await until("go")
    did(f"{runtime.thread_id}:end-{what}")
    return f"A {what} is a bird."


@tool(heartbeat=LOST, retry=SOON)
async def publish(text: str, runtime: Runtime) -> str:
    """Publish a text."""
    did(f"{runtime.thread_id}:publish")
    return "Published."


@tool(heartbeat=LOST, retry=SOON)
async def send(to: str, runtime: Runtime) -> str:
    """Send a letter, if somebody agrees. Those to Ada take their time."""
    did(f"{runtime.thread_id}:ask-{to}")
    answer = await interrupt(f"Send it to {to}?")
    did(f"{runtime.thread_id}:begin-{to}")
    if to == "Ada":
        await until("go")
    did(f"{runtime.thread_id}:sent-{to}")
    return f"{to}: {answer}"


@tool(run_as="workflow")
async def choose(among: str) -> str:
    """Have a person choose."""
    return f"chosen: {await interrupt({'choose': among})}"


class Signalled(Middleware):
    """Waits for a signal between the model's call of a tool and the tool."""

    async def wrap_tool_call(self, request: ToolRequest, handler: Any) -> ToolOutput:
        await request.ctx.wait_signal("call")
        return await handler(request)


researcher = create_agent(MODEL, [look_up], name="researcher")
signalled = create_agent(MODEL, [look_up], name="signalled", middleware=[Signalled()])
publisher = create_agent(MODEL, [look_up, publish], name="publisher", interrupt_on={"publish": True})
writer = create_agent(MODEL, [agent_tool(researcher, description="Finds facts.")], name="writer")
digger = create_deep_agent(
    MODEL, name="digger", subagents={"scout": SubAgent(description="Looks things up.", tools=[look_up])}
)
lead = create_supervisor(MODEL, {"scholar": (researcher, "Finds facts.")}, [look_up], name="lead", shares="task")
clerk = create_agent(MODEL, [look_up, send, choose], name="clerk")

AGENTS = [researcher, signalled, publisher, writer, digger, lead, clerk]
