"""A store on Temporal: what history and the Web UI have of it, several workers, large values, long runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

from temporal_support import Serve, WorkerProcess, event_counts, events
from temporalio.api.enums.v1 import EventType

from oris_temporal import (
    END,
    START,
    CompiledGraph,
    Context,
    InMemoryStore,
    OrisClient,
    OrisPlugin,
    Runtime,
    SQLiteStore,
    StateGraph,
    Store,
    Worker,
    tool,
)
from oris_temporal.devserver import DevServer
from oris_temporal.graph.errors import PayloadTooLargeError

ADA = ("users", "ada")


class State(TypedDict, total=False):
    city: str
    found: Any


async def remember(state: State, store: Store) -> dict[str, Any]:
    await store.put(ADA, "profile", {"city": state["city"], "by": os.getpid()})
    return {}


async def recall(state: State, ctx: Context) -> dict[str, Any]:
    found = await ctx.store.get(ADA, "profile")
    return {"found": found and found.value}


def one_node(name: str, node: Callable[..., Any], store: Any) -> CompiledGraph:
    graph = StateGraph(State).add_node("node", node).add_edge(START, "node").add_edge("node", END)
    return graph.compile(name=name, store=store)


def sqlite() -> Store:
    """The store of a worker: in the directory that its test names."""
    return SQLiteStore(Path(os.environ["ORIS_TEST_DIR"]) / "store.db")


remembering = one_node("remembering", remember, sqlite)


async def test_an_operation_of_a_workflow_side_node_reads_well_in_the_web_ui(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async def work(state: State, ctx: Context) -> dict[str, Any]:
        await ctx.store.put(ADA, "profile", {"city": "Bern"})
        await ctx.store.search(("users",), query="bern")
        return {"found": await ctx.store.list_namespaces()}

    async with serve(one_node("working", work, InMemoryStore())):
        done = await client.run("working", thread, {})
    scheduled = [
        event
        for event in await events(client, thread)
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
    summaries = [event.user_metadata.summary.data.decode() for event in scheduled]
    assert summaries == ['"put users/ada profile"', '"search users"', '"list_namespaces"']
    types = {event.activity_task_scheduled_event_attributes.activity_type.name for event in scheduled}
    assert types == {"store"}
    assert done.values["found"] == [["users", "ada"]]


async def test_nodes_of_a_graph_that_uses_none_are_told_nothing_of_stores(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async def work(state: State) -> dict[str, Any]:
        return {"found": 1}

    async with serve(one_node("plain", work, InMemoryStore())):
        await client.run("plain", thread, {})
    [scheduled] = [
        event.activity_task_scheduled_event_attributes
        for event in await events(client, thread)
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
    assert b"store" not in scheduled.input.payloads[0].data


async def test_another_process_reads_what_a_worker_wrote(
    client: OrisClient, serve: Serve, dev_server: DevServer, thread: str, tmp_path: Path
) -> None:
    queue = client.task_queue
    async with WorkerProcess(dev_server.address, queue, "test_store:remembering", directory=tmp_path) as worker:
        await client.run("remembering", thread, {"city": "Bern"})
        await worker.kill()
    async with serve(one_node("recalling", recall, lambda: SQLiteStore(tmp_path / "store.db"))):
        done = await client.run("recalling", f"{thread}-other", {})
    assert done.values["found"] == {"city": "Bern", "by": worker.process.pid}


async def test_a_value_too_large_for_temporal_is_an_error_that_says_so(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    store = InMemoryStore()
    await store.put(ADA, "large", "x" * 3_000_000)
    said: list[str] = []

    async def work(state: State, ctx: Context) -> dict[str, Any]:
        for operation in (ctx.store.get(ADA, "large"), ctx.store.put(ADA, "more", "x" * 3_000_000)):
            try:
                await operation
            except PayloadTooLargeError as error:
                said.append(error.message)
        return {"found": len(said)}

    async with serve(one_node("large", work, store), max_cached_workflows=10):
        done = await client.run("large", thread, {})
    assert done.values["found"] == 2
    assert "store returned 3,000" in said[0]
    assert "large.node: the store operation has 3,000" in said[1]


async def test_a_large_value_is_nothing_to_an_activity_side_node(client: OrisClient, serve: Serve, thread: str) -> None:
    store = InMemoryStore()
    await store.put(ADA, "large", "x" * 3_000_000)

    async def work(state: State, store: Store) -> dict[str, Any]:
        found = await store.get(ADA, "large")
        return {"found": found and len(found.value)}

    async with serve(one_node("measuring", work, store)):
        done = await client.run("measuring", thread, {})
    assert done.values["found"] == 3_000_000


async def test_what_was_done_is_not_done_again_when_the_run_continues_as_new(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    store = InMemoryStore()

    async def work(state: State, ctx: Context) -> dict[str, Any]:
        before = await ctx.store.get(ADA, "count")
        await ctx.store.put(ADA, "count", 1 if before is None else before.value + 1)
        for number in range(10):
            await ctx.interrupt(number)
        return {}

    async with serve(one_node("counting_store", work, store)):
        await client.run("counting_store", thread, {}, continue_as_new_after=20)
        for number in range(10):
            await client.resume(thread, number)
        done = await client.inspect(thread)
        counts = await event_counts(client, thread)
    assert done.status == "completed"
    assert counts["ACTIVITY_TASK_SCHEDULED"] == 0  # in the last of its histories
    found = await store.get(ADA, "count")
    assert found is not None
    assert found.value == 1


async def test_a_subgraph_on_workers_of_its_own_names_the_graph_that_they_lack(
    client: OrisClient, other: OrisClient, serve: Serve, thread: str
) -> None:
    inner = one_node("inner_elsewhere", remember, None)
    queue = f"{client.task_queue}-inner"
    outer = StateGraph(State).add_subgraph("inner", inner, run_as="child_workflow", task_queue=queue)
    graph = outer.add_edge(START, "inner").add_edge("inner", END).compile(name="outer_here", store=InMemoryStore())
    elsewhere = OrisClient(other.temporal, task_queue=queue)
    async with serve(graph), serve(inner, over=elsewhere):
        failed = await client.run("outer_here", thread, {"city": "Bern"})
        assert failed.error is not None
        assert "a worker that does not serve outer_here itself. Serve both" in failed.error["message"]
    async with serve(graph), serve(graph, over=elsewhere):
        done = await client.run("outer_here", f"{thread}-2", {"city": "Bern"})
    assert done.status == "completed"


async def test_plugins_of_client_and_worker_know_each_others_graphs(
    client: OrisClient, dev_server: DevServer, thread: str
) -> None:
    @tool
    async def look(runtime: Runtime) -> Any:
        """Look into the store."""
        assert runtime.store is not None
        found = await runtime.store.get(ADA, "profile")
        return found and found.value["city"]

    async def ask(state: State, ctx: Context) -> dict[str, Any]:
        await ctx.store.list_namespaces()
        return {"found": (await ctx.tool(look, {})).content}

    def asking(name: str) -> StateGraph:
        return StateGraph(State).add_node(name, ask).add_tools(look).add_edge(START, name).add_edge(name, END)

    first = asking("first").compile(name="first", store=InMemoryStore())
    outer = asking("own").add_node("inner", first).add_node("remember", remember)
    outer.add_edge(START, "remember").add_edge("remember", "inner")
    second = outer.add_edge("inner", END).compile(name="second", store=InMemoryStore())
    temporal = await dev_server.connect(plugins=[OrisPlugin(graphs=[first])])
    mine = OrisClient(temporal, task_queue=client.task_queue)
    async with Worker(mine, [second]):
        done = await mine.run("second", thread, {"city": "Bern"})
    assert done.status == "completed", done.error
