"""Time travel: a new run from an earlier checkpoint, on the same thread or on a new one."""

from __future__ import annotations

import operator
from collections import Counter
from typing import Annotated, Any, TypedDict

import pytest
from temporal_support import Serve, eventually

from oris_temporal import END, START, CompiledGraph, Context, OrisClient, RunnableConfig, StateGraph
from oris_temporal.graph.errors import (
    CheckpointNotFoundError,
    InterruptNotFoundError,
    InvalidUpdateError,
    NodeNotFoundError,
    NotInterruptedError,
    RunConflictError,
    ThreadNotFoundError,
)


class Log(TypedDict, total=False):
    log: Annotated[list[str], operator.add]
    topic: str


ran: Counter[str] = Counter()


async def research(state: Log) -> dict:
    ran["research"] += 1
    return {"log": [f"research {state['topic']}"]}


async def approve(state: Log, ctx: Context) -> dict:
    return {"log": [f"approve {await ctx.interrupt('ok?')}"]}


async def publish(state: Log) -> dict:
    ran["publish"] += 1
    return {"log": [f"publish {state['topic']}"]}


def travelling() -> CompiledGraph:
    graph = StateGraph(Log).add_node("research", research).add_node("approve", approve).add_node("publish", publish)
    graph.add_edge(START, "research").add_edge("research", "approve")
    graph.add_edge("approve", "publish").add_edge("publish", END)
    return graph.compile(name="travelling")


@pytest.fixture
async def done(client: OrisClient, serve: Serve, thread: str) -> str:
    """A thread with a finished run."""
    ran.clear()
    async with serve(travelling()):
        await client.run("travelling", thread, {"topic": "storks"})
        await client.resume(thread, "yes")
    return thread


async def test_replay_runs_what_comes_after_the_checkpoint(client: OrisClient, serve: Serve, done: str) -> None:
    async with serve(travelling()):
        again = await client.replay(done, "0001-000002")
        assert again.status == "interrupted"
        assert [item.id for item in again.interrupts] == [f"int-{done}-1"]
        assert ran == {"research": 1, "publish": 1}
        finished = await client.resume(done, "no")
        assert finished.values["log"] == ["research storks", "approve no", "publish storks"]
        assert ran == {"research": 1, "publish": 2}

        history = await client.history(done)
        ids = [snapshot.checkpoint_id for snapshot in history]
        assert ids == sorted(ids)
        assert [id for id in ids if id.startswith("0002")] != []
        branch = next(snapshot for snapshot in history if snapshot.checkpoint_id.startswith("0002"))
        assert branch.metadata["source"] == "fork"
        assert branch.parent_config is not None
        assert branch.parent_config["checkpoint_id"] == "0001-000002"
        assert (await client.checkpoint(done, "0001-000004")).values["log"][1] == "approve yes"


async def test_replay_without_a_checkpoint_starts_over_from_the_input(
    client: OrisClient, serve: Serve, done: str
) -> None:
    async with serve(travelling()):
        again = await client.replay(done)
        assert again.values["log"] == ["research storks"]
        assert ran == {"research": 2, "publish": 1}
        assert (await client.inspect(done)).run == 2
        await client.resume(done, "yes")


async def test_replay_of_the_last_checkpoint_has_nothing_to_do(client: OrisClient, serve: Serve, done: str) -> None:
    async with serve(travelling()):
        again = await client.replay(done, "0001-000004")
        assert again.status == "completed"
        assert ran == {"research": 1, "publish": 1}
        assert again.values["log"] == ["research storks", "approve yes", "publish storks"]


async def test_resume_at_an_earlier_checkpoint(client: OrisClient, serve: Serve, done: str) -> None:
    async with serve(travelling()):
        result = await client.resume(done, "maybe", checkpoint_id="0001-000002")
        assert result.status == "completed"
        assert result.values["log"][1] == "approve maybe"
        assert ran == {"research": 1, "publish": 2}


async def test_resume_at_an_earlier_checkpoint_under_a_key_happens_once(
    client: OrisClient, serve: Serve, done: str
) -> None:
    async with serve(travelling()):
        first, second = [
            await client.resume(done, "maybe", checkpoint_id="0001-000002", idempotency_key="k") for _ in range(2)
        ]
        assert second.run_id == first.run_id
        assert second.values == first.values
        assert (await client.inspect(done)).run == 2
        assert ran == {"research": 1, "publish": 2}


async def test_a_key_of_an_answer_at_a_checkpoint_is_no_answer_to_what_a_later_run_asks(
    client: OrisClient, serve: Serve, done: str
) -> None:
    async with serve(travelling()):
        first = await client.resume(done, "maybe", checkpoint_id="0001-000002", idempotency_key="k")
        await client.replay(done, "0001-000002")
        again = await client.resume(done, "maybe", checkpoint_id="0001-000002", idempotency_key="k")
        assert (again.run_id, again.status, again.values) == (first.run_id, "completed", first.values)
        assert (await client.inspect(done)).status == "interrupted"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"update": {"nonsense": 1}}, InvalidUpdateError),
        ({"goto": "nowhere"}, NodeNotFoundError),
        ({"interrupt_id": "int-x-0"}, InterruptNotFoundError),
        ({"checkpoint_id": "0001-000004"}, NotInterruptedError),
    ],
)
async def test_what_cannot_be_done_at_a_checkpoint_is_refused_before_anything_happens(
    client: OrisClient, serve: Serve, done: str, options: dict[str, Any], error: type[Exception]
) -> None:
    async with serve(travelling()):
        await client.replay(done, "0001-000002")
        with pytest.raises(error):
            await client.resume(done, "maybe", **{"checkpoint_id": "0001-000002", **options})
        assert (await client.inspect(done)).run == 2
        assert (await client.resume(done, "no")).status == "completed"


async def test_replay_with_the_last_state_keeps_the_configuration(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async def greet(state: Log, config: RunnableConfig) -> dict:
        return {"log": [f"{config['configurable']['user']}, {config['context']['city']}"]}

    graph = StateGraph(Log).add_node("greet", greet).add_edge(START, "greet").add_edge("greet", END)
    async with serve(graph.compile(name="greeting_again")):
        config = {"configurable": {"user": "ada"}}
        await client.run("greeting_again", thread, {"topic": "storks"}, config=config, context={"city": "London"})
        again = await client.replay(thread, from_last_state=True)
        assert again.values == {"topic": "storks", "log": ["ada, London", "ada, London"]}


async def test_fork_starts_another_thread_and_leaves_this_one_alone(
    client: OrisClient, serve: Serve, done: str
) -> None:
    async with serve(travelling()):
        fork = await client.fork(done, "0001-000002", update={"topic": "cranes"})
        assert fork.thread_id == f"{done}/fork/1"
        assert [item.id for item in fork.interrupts] == [f"int-{done}/fork/1-0"]
        second = await client.fork(done, "0001-000002")
        assert second.thread_id == f"{done}/fork/2"
        finished = await client.resume(fork.thread_id, "yes")
        assert finished.values["log"] == ["research storks", "approve yes", "publish cranes"]
        assert (await client.inspect(done)).values == (await client.checkpoint(done, "0001-000004")).values
        await client.resume(second.thread_id, "yes")
        assert (await client.inspect(second.thread_id)).parent == done

        async def listed() -> bool:
            return fork.thread_id in {item.thread_id for item in await client.list(graph="travelling")}

        await eventually(listed)


async def test_fork_as_if_a_node_had_written_the_update(client: OrisClient, serve: Serve, done: str) -> None:
    async with serve(travelling()):
        fork = await client.fork(done, "0001-000002", update={"log": ["approved by mail"]}, as_node="approve")
        result = fork if fork.status == "completed" else await client.resume(fork.thread_id)
        assert result.values["log"] == ["research storks", "approved by mail", "publish storks"]


async def test_fork_under_a_name_of_your_own(client: OrisClient, serve: Serve, done: str) -> None:
    async with serve(travelling()):
        fork = await client.fork(done, "0001-000003", new_thread_id=f"{done}-mine")
        assert (fork.thread_id, fork.status) == (f"{done}-mine", "completed")
        with pytest.raises(RunConflictError):
            await client.fork(done, "0001-000003", new_thread_id=f"{done}-mine")


async def test_fork_of_a_waiting_run_asks_again_on_its_own_thread(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(travelling()):
        await client.run("travelling", thread, {"topic": "storks"})
        fork = await client.fork(thread)
        await client.resume(fork.thread_id, "fork")
        done = await client.resume(thread, "original")
        assert done.values["log"][1] == "approve original"
        assert (await client.inspect(fork.thread_id)).values["log"][1] == "approve fork"


async def test_what_is_not_there_is_said_and_nothing_starts(client: OrisClient, serve: Serve, done: str) -> None:
    async with serve(travelling()):
        with pytest.raises(CheckpointNotFoundError):
            await client.replay(done, "0001-000099")
        with pytest.raises(CheckpointNotFoundError):
            await client.fork(done, "0001-000099")
        assert (await client.inspect(done)).run == 1
        with pytest.raises(NodeNotFoundError, match="nobody"):
            await client.fork(done, "0001-000002", as_node="nobody")
        with pytest.raises(ThreadNotFoundError):
            await client.inspect(f"{done}/fork/1")
