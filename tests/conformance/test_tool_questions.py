"""Tools that ask a person: `interrupt()` inside `@tool`, on every host of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal
from uuid import uuid4

import pytest
from agent_tools import call, look_up, texts
from effects import note, ran
from hosts import OrisHost, Record

from oris_temporal import END, START, CompiledGraph, Message, MessagesState, StateGraph, ToolCall, interrupt
from oris_temporal.agents import ToolNode, agent_tool, create_agent, task_tool
from oris_temporal.models.fake import fake_model
from oris_temporal.tools import Runtime, Tool, tool


@pytest.fixture
def thread(host: OrisHost) -> str:
    return f"{host.name}-{uuid4().hex[:12]}"


@tool
async def send(to: str, runtime: Runtime) -> str:
    """Send a letter, if somebody agrees."""
    note(runtime.config, f"send {to}")
    answer = await interrupt(f"Send it to {to}?")
    note(runtime.config, f"sent {to}")
    return f"{to}: {answer}"


@tool(run_as="local")
async def sign(to: str, runtime: Runtime) -> str:
    """Sign a letter, if somebody agrees."""
    note(runtime.config, f"sign {to}")
    return f"signed for {to}: {await interrupt(f'Sign it for {to}?')}"


@tool(run_as="workflow")
async def choose(among: str) -> str:
    """Have a person choose."""
    return f"chosen: {await interrupt({'choose': among})}"


@tool
async def survey(topic: str, runtime: Runtime) -> str:
    """Ask two questions."""
    note(runtime.config, "survey")
    grade = await interrupt(f"How good is {topic}?", schema=Literal[1, 2, 3])
    reason = await interrupt(f"Why {grade}?")
    return f"{grade}, {reason}"


def asking(*calls: ToolCall, tools: Sequence[Any] = (look_up, send, sign, choose, survey), **options: Any) -> Any:
    return create_agent(fake_model(Message.ai("", list(calls)), "Done.", name="asks"), tools, **options)


def results(record: Record) -> list[str]:
    return [text for kind, text in texts(record.values) if kind == "tool"]


async def test_the_attempt_ends_and_the_tool_runs_again_with_the_answer(host: OrisHost, thread: str) -> None:
    agent = asking(call(1, "look_up", what="stork"), call(2, "send", to="Ada"))
    waiting = await host.start(agent, {"messages": ["Write to Ada."]}, thread)

    assert waiting.status == "interrupted"
    asked = waiting.asks[0]
    assert (asked.value, asked.node, asked.tool, asked.tool_call_id) == ("Send it to Ada?", "tools", "send", "call-2")
    assert (ran[thread, "send Ada"], ran[thread, "sent Ada"]) == (1, 0)

    done = await host.resume(agent, thread, "yes")

    assert done.status == "completed"
    assert results(done) == ["stork is a bird", "Ada: yes"]
    assert (ran[thread, "send Ada"], ran[thread, "sent Ada"], ran[thread, "look_up stork"]) == (2, 1, 1)


async def test_a_tool_of_the_workflow_waits_in_place(host: OrisHost, thread: str) -> None:
    agent = asking(call(1, "choose", among="a or b"))
    waiting = await host.start(agent, {"messages": ["Choose."]}, thread)
    asked = waiting.asks[0]
    assert (asked.value, asked.tool, asked.tool_call_id) == ({"choose": "a or b"}, "choose", "call-1")
    assert results(await host.resume(agent, thread, "b")) == ["chosen: b"]


async def test_several_questions_of_one_turn_are_answered_by_id_in_any_order(host: OrisHost, thread: str) -> None:
    agent = asking(
        *(call(1, "send", to="Ada"), call(2, "look_up", what="stork"), call(3, "choose", among="x")),
        *(call(4, "sign", to="Bob"), call(5, "send", to="Cyd")),
    )
    record = await host.start(agent, {"messages": ["Go."]}, thread)
    assert [(ask.tool, ask.tool_call_id) for ask in record.asks] == [
        *(("send", "call-1"), ("sign", "call-4"), ("send", "call-5"))
    ]
    ids = {ask.tool_call_id: ask.id for ask in record.asks}
    for number in (5, 1, 4):
        record = await host.answer(agent, thread, {ids[f"call-{number}"]: f"answer {number}"})
        assert record.status == "interrupted"
        assert ids[f"call-{number}"] not in [ask.id for ask in record.asks]
    assert [(ask.tool, ask.tool_call_id) for ask in record.asks] == [
        ("choose", "call-3")
    ]  # made when the others are done
    record = await host.answer(agent, thread, {record.asks[0].id: "answer 3"})

    assert results(record) == [
        *("Ada: answer 1", "stork is a bird", "chosen: answer 3", "signed for Bob: answer 4", "Cyd: answer 5")
    ]
    assert [ran[thread, name] for name in ("send Ada", "sign Bob", "send Cyd", "look_up stork")] == [2, 2, 2, 1]


async def test_it_may_ask_again(host: OrisHost, thread: str) -> None:
    agent = asking(call(1, "survey", topic="tea"))
    await host.start(agent, {"messages": ["Ask."]}, thread)
    again = await host.resume(agent, thread, 2)
    assert [ask.value for ask in again.asks] == ["Why 2?"]
    assert results(await host.resume(agent, thread, "it is cold")) == ["2, it is cold"]
    assert ran[thread, "survey"] == 3  # once to each question, and once to the end


async def test_it_fails_and_is_told_to_the_model_as_any_tool(host: OrisHost, thread: str) -> None:
    @tool
    async def doubt(runtime: Runtime) -> str:
        """Ask, and fail."""
        raise ValueError(f"{await interrupt('Really?')} is wrong")

    agent = asking(call(1, "doubt"), tools=[doubt])
    await host.start(agent, {"messages": ["Ask."]}, thread)
    done = await host.resume(agent, thread, "yes")
    assert "yes is wrong" in results(done)[0]


async def test_a_person_may_look_at_the_call_first(host: OrisHost, thread: str) -> None:
    agent = asking(call(1, "send", to="Ada"), interrupt_on={"send": True})
    await host.start(agent, {"messages": ["Write."]}, thread)
    asks = (await host.resume(agent, thread, {"decisions": [{"type": "approve"}]})).asks
    assert [(ask.value, ask.tool_call_id) for ask in asks] == [("Send it to Ada?", "call-1")]
    assert results(await host.resume(agent, thread, "yes")) == ["Ada: yes"]


class TestAgentsOfAgents:
    def lead(self, *, tasks: bool, asks: Tool) -> CompiledGraph:
        args = {"to": "Ada"} if asks is send else {"among": "x"}
        model = fake_model(ToolCall("inner", asks.name, args), "It is done.", name="clerk")
        clerk = create_agent(model, [asks], name="clerk")
        text = "Write to Ada."
        given = {"description": text, "subagent_type": "clerk"} if tasks else {"task": text}
        calls = [ToolCall(f"outer-{n}", "task" if tasks else "clerk", given) for n in range(2)]
        helper = task_tool({"clerk": (clerk, "Writes.")}) if tasks else agent_tool(clerk, description="Writes.")
        return create_agent(fake_model(Message.ai("", calls), "Done.", name="lead"), [helper], name="lead")

    @pytest.mark.parametrize("asks", [send, choose], ids=["activity", "workflow"])
    @pytest.mark.parametrize("tasks", [False, True], ids=["agent_tool", "task_tool"])
    async def test_its_tools_ask_on_the_thread(self, host: OrisHost, thread: str, tasks: bool, asks: Tool) -> None:
        lead = self.lead(tasks=tasks, asks=asks)
        waiting = await host.start(lead, {"messages": ["Two letters."]}, thread)
        assert [(ask.tool, ask.tool_call_id) for ask in waiting.asks] == [(asks.name, "inner")] * 2

        first, second = (ask.id for ask in waiting.asks)
        record = await host.answer(lead, thread, {second: "two"})
        assert [ask.id for ask in record.asks] == [first]
        done = await host.answer(lead, thread, {first: "one"})

        assert results(done) == ["It is done.", "It is done."]
        assert ran[thread, "sent Ada"] == (2 if asks is send else 0)

    async def test_a_subgraph(self, host: OrisHost, thread: str) -> None:
        inner = asking(call(1, "send", to="Ada"), call(2, "choose", among="x"), name="inner")
        graph = StateGraph(MessagesState).add_node("inner", inner).add_edge(START, "inner").add_edge("inner", END)
        outer = graph.compile(name="outer")
        waiting = await host.start(outer, {"messages": ["Write."]}, thread)
        assert [ask.tool for ask in waiting.asks] == ["send"]
        waiting = await host.resume(outer, thread, "send!")
        assert [ask.tool for ask in waiting.asks] == ["choose"]
        done = await host.resume(outer, thread, "choose!")
        assert done.status == "completed"
        assert results(done) == ["Ada: send!", "chosen: choose!"]


async def test_in_a_graph_of_ones_own(host: OrisHost, thread: str) -> None:
    tools = ToolNode([look_up, send, choose, sign])
    graph = StateGraph(MessagesState).add_node("tools", tools).add_edge(START, "tools").add_edge("tools", END)
    compiled = graph.compile(name="own")
    calls = [
        call(1, "send", to="Ada"),
        call(2, "look_up", what="stork"),
        call(3, "choose", among="x"),
        call(4, "sign", to="Bob"),
    ]
    waiting = await host.start(compiled, {"messages": [Message.ai("", calls)]}, thread)
    assert [(ask.tool, ask.tool_call_id) for ask in waiting.asks] == [("send", "call-1"), ("sign", "call-4")]
    waiting = await host.answer(compiled, thread, {ask.id: ask.tool for ask in reversed(waiting.asks)})
    assert [(ask.tool, ask.tool_call_id) for ask in waiting.asks] == [("choose", "call-3")]
    done = await host.resume(compiled, thread, "choose")
    assert results(done) == ["Ada: send", "stork is a bird", "chosen: choose", "signed for Bob: sign"]
    assert ran[thread, "look_up stork"] == 1
