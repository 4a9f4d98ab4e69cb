"""Agents made by `create_supervisor`, on every host of ours, and with a history of a few events."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from agent_tools import Watch, call, look_up, texts
from effects import ran
from hosts import OrisHost

from oris_temporal import CompiledGraph, Message, ToolCall, create_agent
from oris_temporal.agents import create_supervisor
from oris_temporal.graph.errors import GraphCompileError
from oris_temporal.models.fake import fake_model


@pytest.fixture
def host(any_host: OrisHost) -> OrisHost:
    return any_host


@pytest.fixture
def thread(host: OrisHost) -> str:
    return f"{host.name}-{uuid4().hex[:12]}"


def give(number: int, worker: str, task: str) -> ToolCall:
    return call(number, f"delegate_to_{worker}", task=task)


def worker(name: str, *script: Any, **options: Any) -> tuple[CompiledGraph, str]:
    return create_agent(fake_model(*script, name=name), name=name, **options), f"Is {name}."


def researcher(**options: Any) -> tuple[CompiledGraph, str]:
    return worker("researcher", call(1, "look_up", what="stork"), "A stork is a bird.", tools=[look_up], **options)


def lead(*script: Any, workers: dict[str, Any], **options: Any) -> CompiledGraph:
    return create_supervisor(fake_model(*script, name="lead"), workers, name="lead", **options)


def seen(watch: Watch) -> list[list[tuple[str, str]]]:
    return [[(message.message_type, message.content) for message in made.messages] for made in watch.calls]


async def test_workers_see_what_was_said_and_give_their_last_answer(host: OrisHost, thread: str) -> None:
    watch = Watch()
    workers = {"researcher": researcher(), "writer": worker("writer", "Storks, a poem.", middleware=[watch])}
    graph = lead(give(1, "researcher", "stork?"), give(2, "writer", "A poem."), "Here it is.", workers=workers)
    done = await host.start(graph, {"messages": ["Write about storks."]}, thread)
    assert texts(done.values) == [
        ("human", "Write about storks."),
        ("ai", ""),
        ("tool", "A stork is a bird."),
        ("ai", ""),
        ("tool", "Storks, a poem."),
        ("ai", "Here it is."),
    ]
    conversation = [("human", "Write about storks."), ("ai", "researcher: A stork is a bird."), ("human", "A poem.")]
    assert conversation in seen(watch)


async def test_workers_that_see_their_task_only(host: OrisHost, thread: str) -> None:
    watch = Watch()
    graph = lead(
        give(1, "writer", "A poem."),
        "Done.",
        workers={"writer": worker("writer", "Poem.", middleware=[watch])},
        shares="task",
    )
    await host.start(graph, {"messages": ["Write about storks."]}, thread)
    assert [("human", "A poem.")] in seen(watch)


async def test_all_that_workers_did_is_in_the_conversation(host: OrisHost, thread: str) -> None:
    watch = Watch()
    workers = {"researcher": researcher(), "critic": worker("critic", "Hm.")}
    turn = Message.ai("", [give(1, "researcher", "stork?"), give(2, "critic", "And?")])
    graph = lead(turn, "It is a bird.", workers=workers, output_mode="full_history", middleware=[watch])
    done = await host.start(graph, {"messages": ["What is a stork?"]}, thread)
    assert texts(done.values) == [
        ("human", "What is a stork?"),
        ("ai", ""),
        ("tool", "researcher worked on it. What it did and said follows."),
        ("tool", "critic worked on it. What it did and said follows."),
        ("ai", ""),
        ("tool", "stork is a bird"),
        ("ai", "A stork is a bird."),
        ("ai", "Hm."),
        ("ai", "It is a bird."),
    ]
    messages = done.values["messages"]
    assert [(message["extra"] or {}).get("agent") for message in messages[4:8]] == ["researcher"] * 3 + ["critic"]
    assert messages[5]["id"] == messages[4]["tool_calls"][0]["id"]
    ids = [message["id"] for message in messages if message["message_type"] == "tool"]
    assert len(set(ids)) == 3  # though both models called their first call "call-1"
    assert any(conversation[-1][0] == "human" and "Go on" in conversation[-1][1] for conversation in seen(watch))


async def test_several_at_once_and_their_questions(host: OrisHost, thread: str) -> None:
    workers = {"researcher": researcher(interrupt_on={"look_up": True}), "critic": worker("critic", "Hm.")}
    turn = Message.ai("", [give(1, "researcher", "stork?"), give(2, "critic", "And?")])
    graph = lead(turn, "It is a bird.", workers=workers)
    waiting = await host.start(graph, {"messages": ["What is a stork?"]}, thread)
    assert waiting.asks[0].value["action_requests"] == [{"name": "look_up", "args": {"what": "stork"}}]
    done = await host.resume(graph, thread, {"decisions": [{"type": "approve"}]})
    assert [text for kind, text in texts(done.values) if kind == "tool"] == ["A stork is a bird.", "Hm."]
    assert ran[thread, "look_up stork"] == 1


@pytest.mark.parametrize("output_mode", ["last_message", "full_history"])
async def test_a_supervisor_of_supervisors(host: OrisHost, thread: str, output_mode: Any) -> None:
    team = create_supervisor(
        fake_model(give(1, "researcher", "stork?"), "The team says: a bird.", name="team"),
        {"researcher": researcher(interrupt_on={"look_up": True})},
        name="team",
        output_mode=output_mode,
    )
    graph = lead(give(1, "team", "storks?"), "A bird.", workers={"team": (team, "Knows.")}, output_mode=output_mode)
    waiting = await host.start(graph, {"messages": ["What is a stork?"]}, thread)
    assert len(waiting.asks) == 1
    done = await host.resume(graph, thread, {"decisions": [{"type": "approve"}]})
    said = texts(done.values)
    assert said[-1] == ("ai", "A bird.")
    assert "The team says: a bird." in [text for _, text in said]
    assert (("tool", "stork is a bird") in said) is (output_mode == "full_history")
    assert ran[thread, "look_up stork"] == 1


async def test_the_next_turn_goes_on_with_the_conversation(host: OrisHost, thread: str) -> None:
    watch = Watch()
    workers = {"researcher": researcher(middleware=[watch])}
    graph = lead(give(1, "researcher", "a?"), "A bird.", give(2, "researcher", "b?"), "Still one.", workers=workers)
    await host.start(graph, {"messages": ["What is a stork?"]}, thread)
    done = await host.start(graph, {"messages": ["Sure?"]}, thread)
    assert texts(done.values)[-1] == ("ai", "Still one.")
    assert [
        ("human", "What is a stork?"),
        ("ai", "researcher: A stork is a bird."),
        ("ai", "A bird."),
        ("human", "Sure?"),
        ("human", "b?"),
    ] in seen(watch)


async def test_what_its_workers_use_counts_for_its_budget(host: OrisHost, thread: str) -> None:
    graph = lead(give(1, "researcher", "?"), "Done.", workers={"researcher": researcher()}, limits={"max_turns": 2})
    done = await host.start(graph, {"messages": ["go"]}, thread)
    assert (done.status, done.error) == ("failed", "budget_exceeded")


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(GraphCompileError, match="needs an agent"):
        lead("x", workers={})
    with pytest.raises(GraphCompileError, match="tool name"):
        lead("x", workers={"two words": worker("one", "x")})
    with pytest.raises(GraphCompileError, match="Two different graphs are called 'same'"):
        lead("x", workers={"a": worker("same", "x"), "b": worker("same", "y")})
