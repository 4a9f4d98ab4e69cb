"""Whatever a tool does wrong, the model is told and the run goes on, on every host of ours."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from agent_tools import call, texts
from hosts import OrisHost

from oris_temporal import create_agent, tool
from oris_temporal.models.fake import fake_model
from oris_temporal.tools import Tool


@tool
async def thing() -> object:
    """Return what has no JSON form."""
    return object()


@tool(run_as="workflow")
async def thing_here() -> object:
    """Likewise, in the workflow."""
    return object()


@tool
async def leave() -> str:
    """Try to end the process."""
    raise SystemExit(3)


@tool
def leave_a_thread() -> str:
    """Likewise, from a thread."""
    raise SystemExit(3)


@tool
async def everything() -> str:
    """Return more than Temporal takes in one payload."""
    return "x" * 3_000_000


async def told(host: OrisHost, asked: Tool) -> str:
    """What the model is told of a call."""
    agent = create_agent(fake_model(call(1, asked.name), "I see."), [asked])
    record = await host.start(agent, {"messages": ["Go."]}, uuid4().hex)
    assert (record.status, record.message) == ("completed", "")
    said: list[Any] = texts(record.values)
    assert said[-1] == ("ai", "I see.")
    return str(said[2][1])


@pytest.mark.parametrize("asked", [thing, thing_here], ids=lambda asked: asked.name)
async def test_a_result_without_a_json_form(host: OrisHost, asked: Tool) -> None:
    assert "cannot be written as JSON" in await told(host, asked)


@pytest.mark.parametrize("asked", [leave, leave_a_thread], ids=lambda asked: asked.name)
async def test_one_that_tries_to_end_the_process(host: OrisHost, asked: Tool) -> None:
    assert await told(host, asked) == f"Tool {asked.name} failed: SystemExit: 3"


async def test_a_result_that_is_too_large(host: OrisHost) -> None:
    said = await told(host, everything)
    assert (len(said) == 3_000_000) if host.name == "in-process" else ("Temporal takes at most" in said)
