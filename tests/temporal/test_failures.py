"""A node that fails ends the run FAILED at once: with its name, the cause and a code that programs can tell."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict
from uuid import uuid4

import pytest
from temporal_support import Serve, event_names, events
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from oris_temporal import END, NO_RETRY, START, CompiledGraph, Context, OrisClient, RetryPolicy, StateGraph
from oris_temporal.graph.errors import NoWorkerError, RunFailedError, ToolError


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


def one(fn: Callable[..., Any], **options: Any) -> CompiledGraph:
    graph = StateGraph(State).add_node("node", fn, **options).add_edge(START, "node").add_edge("node", END)
    return graph.compile(name="one")


def failing(error: Exception, times: int = 1_000) -> tuple[Callable[..., Any], list[int]]:
    """A node that raises the first so many times, and a list of its attempts."""
    attempts: list[int] = []

    async def node(state: State) -> dict:
        attempts.append(len(attempts) + 1)
        if len(attempts) <= times:
            raise error
        return {"log": [f"attempt {len(attempts)}"]}

    return node, attempts


async def test_the_error_names_the_node_the_cause_and_a_code(client: OrisClient, serve: Serve, thread: str) -> None:
    node, attempts = failing(ValueError("no storks here"))
    async with serve(one(node)):
        result = await client.run("one", thread, {})
        assert result.status == "failed"
        assert result.error == {
            "code": "node",
            "message": "Node one.node failed: ValueError: no storks here",
            "details": {"node": "one.node", "cause_type": "ValueError"},
        }
        assert attempts == [1]  # a mistake, not worth another attempt
        with pytest.raises(RunFailedError, match="no storks here"):
            result.raise_for_status()

    assert (await client.inspect(thread)).error == result.error  # without a worker as well
    with pytest.raises(WorkflowFailureError) as raised:
        await client.temporal.get_workflow_handle(thread).result()
    cause = raised.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.message) == ("NodeError", "Node one.node failed: ValueError: no storks here")
    assert (await event_names(client, thread))[-1] == "WORKFLOW_EXECUTION_FAILED"


async def test_a_node_in_the_workflow_fails_the_same_way(client: OrisClient, serve: Serve, thread: str) -> None:
    async def node(state: State, ctx: Context) -> dict:
        raise KeyError("storks")

    async with serve(one(node)):
        result = await client.run("one", thread, {})
    assert result.status == "failed"
    assert result.error == {
        "code": "node",
        "message": "Node one.node failed: KeyError: 'storks'",
        "details": {"node": "one.node", "cause_type": "KeyError"},
    }


@pytest.mark.parametrize(
    ("retry", "error", "times", "expected"),
    [
        (RetryPolicy(initial_interval="10ms"), OSError("busy"), 2, 3),
        (RetryPolicy(initial_interval="10ms", maximum_attempts=5), OSError("busy"), 9, 5),
        (RetryPolicy(initial_interval="10ms"), TypeError("mistake"), 9, 1),
        (RetryPolicy(initial_interval="10ms", retry_on=(TypeError,)), TypeError("sic"), 1, 2),
        (RetryPolicy(initial_interval="10ms", retry_on=(TypeError,)), OSError("busy"), 9, 1),
        (NO_RETRY, OSError("busy"), 9, 1),
    ],
)
async def test_a_node_is_tried_as_often_as_its_policy_says(
    client: OrisClient,
    serve: Serve,
    thread: str,
    retry: RetryPolicy,
    error: Exception,
    times: int,
    expected: int,
) -> None:
    node, attempts = failing(error, times)
    async with serve(one(node, retry=retry)):
        result = await client.run("one", thread, {})
    assert len(attempts) == expected
    assert result.status == ("completed" if times < expected else "failed")
    [started] = [
        event.activity_task_started_event_attributes
        for event in await events(client, thread)
        if event.HasField("activity_task_started_event_attributes")
    ]
    assert started.attempt == expected  # attempts leave no events


class Mute(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise TypeError("no text")


class Own(BaseException):
    """No `Exception`."""


TROUBLES = [
    ValueError("lone \ud800 surrogate"),
    ValueError("x" * 3_000_000),
    Mute(),
    Own("own"),
    SystemExit(3),
    KeyboardInterrupt(),
    ToolError("y" * 3_000_000, extra="\udfff" * 3_000_000, thing=object()),
    ApplicationError("z" * 3_000_000, type="Theirs"),
]


@pytest.mark.parametrize(
    ("where", "error"),
    [
        *((where, error) for where in ("workflow", "activity") for error in TROUBLES),
        *((where, error) for where in ("local", "plain", "function", "router", "reducer") for error in TROUBLES[1:5:3]),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
async def test_whatever_is_raised_fails_the_run_at_once_with_an_error_that_can_be_read(
    client: OrisClient, serve: Serve, thread: str, error: BaseException, where: str
) -> None:
    def raises(*_: Any) -> Any:
        raise error from ValueError("cause \ud800" + "c" * 3_000_000)

    async def node(state: State) -> dict:
        return raises()

    async def inside(state: State, ctx: Context) -> dict:
        return raises()

    async def calls(state: State, ctx: Context) -> dict:
        return {"log": await ctx.activity(raises)}

    async def good(state: State, ctx: Context) -> dict:
        return {"log": ["good"]}

    def reduce(present: list[str], update: list[str]) -> list[str]:
        return raises() if update else present

    reduced = TypedDict("reduced", {"log": Annotated[list[str], reduce]})  # noqa: UP013
    chosen = {"workflow": inside, "plain": raises, "function": calls, "router": good, "reducer": good}.get(where, node)
    graph = StateGraph(reduced if where == "reducer" else State)
    options: dict[str, Any] = {"run_as": "local"} if where == "local" else {}
    if where in ("activity", "local", "plain"):
        options["retry"] = NO_RETRY
    graph.add_node("node", chosen, **options)
    graph.add_activity(raises, retry=NO_RETRY).add_edge(START, "node")
    if where == "router":
        graph.add_conditional_edges("node", raises, [END])
    async with asyncio.timeout(10), serve(graph.add_edge("node", END).compile(name="one")):
        result = await client.run("one", thread, {"log": []} if where == "reducer" else {})
        assert result.error is not None
        assert result.status == "failed"
        assert result.error["code"] in ("node", "tool", "condition", "invalid_update", "graph")
        assert 0 < len(result.error["message"]) < 20_000
        assert (await client.inspect(thread)).error == result.error


async def never(state: State) -> None:
    await asyncio.sleep(600)


async def test_a_node_that_takes_too_long(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(one(never, timeout="200ms", retry=NO_RETRY)):
        result = await client.run("one", thread, {})
    assert result.error is not None
    assert (result.status, result.error["code"]) == ("failed", "node_timeout")
    assert result.error["message"] == "Node one.node did not finish an attempt in time."
    assert result.error["details"]["node"] == "one.node"


async def test_a_node_no_worker_starts_in_time(client: OrisClient, serve: Serve, thread: str) -> None:
    queue = f"nobody-{uuid4().hex}"
    async with serve(one(never, task_queue=queue, schedule_to_start="300ms")):
        result = await client.run("one", thread, {})
    assert result.error is not None
    assert (result.status, result.error["code"]) == ("failed", "node_timeout")
    assert "was not started in time" in result.error["message"]
    assert queue in result.error["message"]


async def test_a_node_whose_task_queue_nobody_serves_is_reported_and_kept(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    queue = f"late-{uuid4().hex}"
    graph = one(lambda state: {"log": ["at last"]}, task_queue=queue)
    async with serve(graph):
        with pytest.raises(NoWorkerError, match=queue):
            await client.run("one", thread, {})
        async with serve(graph, task_queue=queue):
            assert (await client.result(thread)).values == {"log": ["at last"]}


async def test_when_one_node_of_a_step_fails_the_others_are_cancelled(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    started, cleaned = asyncio.Event(), asyncio.Event()

    async def slow(state: State) -> None:
        started.set()
        try:
            await asyncio.sleep(600)
        finally:
            cleaned.set()

    async def bad(state: State) -> None:
        await started.wait()
        raise ValueError("bad")

    graph = StateGraph(State)
    for name, fn in (("slow", slow), ("bad", bad)):
        graph.add_node(name, fn).add_edge(START, name).add_edge(name, END)
    async with serve(graph.compile(name="two")):
        result = await client.run("two", thread, {})
    assert result.error is not None
    assert (result.status, result.error["details"]["node"]) == ("failed", "two.bad")
    assert cleaned.is_set()


async def test_a_failed_run_goes_on_from_its_last_checkpoint_and_finished_nodes_do_not_run_again(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    ran: list[str] = []

    async def good(state: State) -> dict:
        ran.append("good")
        return {"log": ["good"]}

    broken = True

    async def bad(state: State) -> dict:
        ran.append("bad")
        if broken:
            raise ValueError("bad")
        return {"log": ["mended"]}

    graph = StateGraph(State).add_node("good", good).add_node("bad", bad)
    graph.add_edge(START, "good").add_edge("good", "bad").add_edge("bad", END)
    async with serve(graph.compile(name="mending")):
        failed = await client.run("mending", thread, {})
        assert failed.status == "failed"
        broken = False
        mended = await client.replay(thread, failed.checkpoint_id)
    assert mended.values == {"log": ["good", "mended"]}
    assert ran == ["good", "bad", "bad"]


async def test_a_run_that_meets_its_time_limit_has_failed(client: OrisClient, serve: Serve, thread: str) -> None:
    async def wait(state: State, ctx: Context) -> None:
        await ctx.wait_signal("never")

    async with serve(one(wait)):
        result = await client.run("one", thread, {}, execution_timeout="1s")
    assert result.error is not None
    assert (result.status, result.error["code"]) == ("failed", "timed_out")
