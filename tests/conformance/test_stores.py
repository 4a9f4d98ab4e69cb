"""The store of a graph: the same for its nodes, tools and workflow-side nodes, and on both hosts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from cases import edges
from hosts import Options, OrisHost
from states import Log
from typing_extensions import TypedDict

from oris_temporal import (
    END,
    START,
    CompiledGraph,
    Context,
    InMemoryStore,
    Runtime,
    StateGraph,
    Store,
    Tool,
    create_agent,
    tool,
)
from oris_temporal.graph.errors import SerializationError, StoreError, ToolError


@pytest.fixture
def thread(host: OrisHost) -> str:
    return f"{host.name}-{uuid4().hex[:12]}"


ADA = ("users", "ada")


class Who(TypedDict):
    name: str


async def remember(state: Log, store: Store) -> dict[str, Any]:
    await store.put(ADA, "profile", {"city": "Bern", "log": state["log"]})
    return {"log": ["remembered"]}


async def recall(state: Log, ctx: Context) -> dict[str, Any]:
    found = await ctx.store.get(ADA, "profile")
    return {"answer": None if found is None else found.value}


def one_node(name: str, node: Callable[..., Any], store: Any = None, *tools: Tool, **options: Any) -> CompiledGraph:
    """A graph of one node."""
    graph = StateGraph(Log).add_node("node", node, **options).add_tools(*tools)
    return graph.add_edge(START, "node").add_edge("node", END).compile(name=name, store=store)


async def test_b44_nodes_tools_and_workflow_side_nodes_share_one_store(host: OrisHost, thread: str) -> None:
    @tool
    async def look(runtime: Runtime) -> Any:
        """Look into the store."""
        assert runtime.store is not None
        found = await runtime.store.get(ADA, "profile")
        return found and found.value

    async def use(state: Log, ctx: Context) -> dict[str, Any]:
        output = await ctx.tool(look, {})
        await ctx.store.put(ADA, "seen", output.content)
        return {"log": ["used"]}

    async def gather(state: Log, store: Store) -> dict[str, Any]:
        return {"answer": sorted(item.key for item in await store.search(ADA))}

    graph = (
        StateGraph(Log).add_node("remember", remember).add_node("use", use).add_node("gather", gather).add_tools(look)
    )
    compiled = edges(graph, "START>remember remember>use use>gather gather>END")
    done = await host.start(compiled.compile(name="store_b44", store=InMemoryStore()), {"log": ["x"]}, thread)
    assert done.values == {"log": ["x", "remembered", "used"], "answer": ["profile", "seen"]}


async def test_one_thread_reads_what_another_wrote(host: OrisHost, thread: str) -> None:
    store = InMemoryStore()
    await host.start(one_node("store_write", remember, store), {"log": ["x"]}, thread)
    done = await host.start(one_node("store_read", recall, store), {"log": []}, f"{thread}-other")
    assert done.values["answer"] == {"city": "Bern", "log": ["x"]}


async def test_a_workflow_side_node_can_do_all_that_a_store_can(host: OrisHost, thread: str) -> None:
    async def work(state: Log, ctx: Context) -> dict[str, Any]:
        store = ctx.store
        await store.put(ADA, "one", {"n": 1, "text": "Hello"}, ttl="1h")
        await store.put([*ADA, "more"], "two", {"n": 2})
        await store.put(("other",), "three", [3])
        await store.delete(("other",), "three")
        one = await store.get(ADA, "one")
        assert one is not None
        assert one.expires_at is not None
        return {
            "answer": {
                "one": [one.namespace, one.value, (one.expires_at - one.updated_at) // timedelta(minutes=1)],
                "none": await store.get(("other",), "three"),
                "words": [item.key for item in await store.search(query="HELLO")],
                "filter": [item.key for item in await store.search(ADA, filter={"n": {"$gte": 2}}, limit=5, offset=0)],
                "places": await store.list_namespaces(max_depth=2),
            }
        }

    done = await host.start(one_node("store_all", work, InMemoryStore()), {"log": []}, thread)
    assert done.values["answer"] == {
        "one": [["users", "ada"], {"n": 1, "text": "Hello"}, 60],
        "none": None,
        "words": ["one"],
        "filter": ["two"],
        "places": [["users", "ada"]],
    }


async def test_an_operation_is_not_repeated_when_a_node_goes_on(host: OrisHost, thread: str) -> None:
    store = InMemoryStore()

    async def count(state: Log, ctx: Context) -> dict[str, Any]:
        before = await ctx.store.get(ADA, "count")
        await ctx.store.put(ADA, "count", 1 if before is None else before.value + 1)
        answer = await ctx.interrupt("go on?")
        after = await ctx.store.get(ADA, "count")
        return {"answer": [answer, after and after.value]}

    graph = one_node("store_once", count, store)
    await host.start(graph, {"log": []}, thread)
    done = await host.resume(graph, thread, "yes")
    assert done.values["answer"] == ["yes", 1]

    checkpoint = (await host.history(graph, thread))[-1].checkpoint_id
    again = await host.resume_at(graph, thread, checkpoint, "again")  # a new run from before the node
    assert again.values["answer"] == ["again", 2]


async def test_a_tool_in_the_workflow_has_the_store_too(host: OrisHost, thread: str) -> None:
    @tool(run_as="workflow")
    async def add(name: str, runtime: Runtime) -> int:
        """Add a name."""
        assert runtime.store is not None
        await runtime.store.put(("names",), name, 1)
        return len(await runtime.store.search(("names",)))

    async def use(state: Log, ctx: Context) -> dict[str, Any]:
        return {"answer": [(await ctx.tool(add, {"name": name})).content for name in ("ada", "bob")]}

    done = await host.start(one_node("store_inside", use, InMemoryStore(), add), {"log": []}, thread)
    assert done.values["answer"] == ["1", "2"]


async def test_a_tool_of_a_graph_without_a_store_has_none(host: OrisHost, thread: str) -> None:
    @tool
    async def look(runtime: Runtime) -> bool:
        """Look for a store."""
        return runtime.store is None

    async def use(state: Log, ctx: Context) -> dict[str, Any]:
        return {"answer": (await ctx.tool(look, {})).content}

    done = await host.start(one_node("store_less_tool", use, None, look), {"log": []}, thread)
    assert done.values["answer"] == "true"


@pytest.mark.parametrize("node", [remember, recall])
async def test_a_node_that_wants_a_store_where_there_is_none_says_so(host: OrisHost, thread: str, node: Any) -> None:
    done = await host.start(one_node("store_less", node), {"log": []}, thread)
    assert (done.status, done.error) == ("failed", "graph")
    assert "store_less.node wants a store" in done.message
    assert "Compile one of them with store=" in done.message


@pytest.mark.parametrize("side", ["activity", "local", "workflow"])
async def test_a_store_is_told_by_its_annotation(host: OrisHost, thread: str, side: Any) -> None:
    async def node(state: Log, memory: Store) -> dict[str, Any]:
        await memory.put(ADA, "k", 1)
        return {"answer": len(await memory.search())}

    done = await host.start(one_node(f"store_{side}", node, InMemoryStore(), run_as=side), {"log": []}, thread)
    assert done.values["answer"] == 1


async def test_fused_nodes_have_it(host: OrisHost, thread: str) -> None:
    async def again(state: Log, store: Store) -> dict[str, Any]:
        found = await store.get(ADA, "profile")
        return {"answer": found and found.value["city"]}

    graph = StateGraph(Log).add_node("remember", remember).add_node("again", again, fuse=True)
    compiled = edges(graph, "START>remember remember>again again>END").compile(
        name="store_fused", store=InMemoryStore()
    )
    assert (await host.start(compiled, {"log": []}, thread)).values["answer"] == "Bern"


async def test_a_store_is_made_where_it_is_needed_and_once(host: OrisHost, thread: str) -> None:
    made: list[Store] = []

    def make() -> Store:
        made.append(InMemoryStore())
        return made[-1]

    graph = StateGraph(Log).add_node("remember", remember).add_node("recall", recall)
    compiled = edges(graph, "START>remember remember>recall recall>END").compile(name="store_made", store=make)
    assert not made
    done = await host.start(compiled, {"log": []}, thread)
    await host.start(compiled, {"log": []}, f"{thread}-other")
    assert done.values["answer"]["city"] == "Bern"
    assert len(made) == 1


async def test_the_tools_of_an_agent_have_its_store_and_the_context(host: OrisHost, thread: str) -> None:
    @tool
    async def remember_me(runtime: Runtime[Any]) -> str:
        """Remember who asks."""
        assert runtime.store is not None
        await runtime.store.put(("users",), runtime.context["name"], {})
        return f"{len(await runtime.store.search())} known"

    agent = create_agent("fake:tools", [remember_me], name="store_agent", context_schema=Who, store=InMemoryStore())
    done = await host.start(agent, "hello", thread, Options(context={"name": "ada"}))
    done = await host.start(agent, "hello", f"{thread}-other", Options(context={"name": "bob"}))
    assert [message["content"] for message in done.values["messages"] if message["message_type"] == "tool"] == [
        "2 known"
    ]


class TestSubgraphs:
    @pytest.mark.parametrize("run_as", ["inline", "child_workflow"])
    @pytest.mark.parametrize("node", [remember, recall])
    async def test_they_use_the_store_around_them(self, host: OrisHost, thread: str, run_as: Any, node: Any) -> None:
        store = InMemoryStore()
        await store.put(ADA, "profile", "before")
        inner = one_node("store_inner", node)
        middle = StateGraph(Log).add_subgraph("inner", inner, run_as=run_as)
        outer = StateGraph(Log).add_subgraph(
            "middle", edges(middle, "START>inner inner>END").compile(name="store_middle")
        )
        graph = edges(outer, "START>middle middle>END").compile(name="store_outer", store=store)
        done = await host.start(graph, {"log": ["x"]}, thread)
        assert done.status == "completed"
        found = await store.get(ADA, "profile")
        assert found is not None
        assert (found.value, done.values.get("answer")) in [
            ({"city": "Bern", "log": ["x"]}, None),
            ("before", "before"),
        ]

    @pytest.mark.parametrize("run_as", ["inline", "child_workflow"])
    async def test_their_own_store_comes_first(self, host: OrisHost, thread: str, run_as: Any) -> None:
        around, own = InMemoryStore(), InMemoryStore()
        inner = one_node("store_own", remember, own)
        outer = StateGraph(Log).add_subgraph("inner", inner, run_as=run_as).add_node("recall", recall)
        graph = edges(outer, "START>inner inner>recall recall>END").compile(name="store_around", store=around)
        done = await host.start(graph, {"log": []}, thread)
        assert done.values["answer"] is None
        assert await own.get(ADA, "profile") is not None

    async def test_a_graph_that_a_node_calls_uses_it(self, host: OrisHost, thread: str) -> None:
        called = one_node("store_called", remember)

        async def node(state: Log, ctx: Context) -> dict[str, Any]:
            await ctx.call_graph(called, {"log": ["x"]})
            return await recall(state, ctx)

        graph = StateGraph(Log).add_node("node", node).add_graphs(called).add_edge(START, "node").add_edge("node", END)
        done = await host.start(graph.compile(name="store_calling", store=InMemoryStore()), {"log": []}, thread)
        assert done.values["answer"] == {"city": "Bern", "log": ["x"]}

    async def test_tools_in_them_use_it_too(self, host: OrisHost, thread: str) -> None:
        @tool
        async def look(runtime: Runtime) -> int:
            """Look into the store."""
            assert runtime.store is not None
            return len(await runtime.store.search())

        async def use(state: Log, ctx: Context) -> dict[str, Any]:
            return {"answer": (await ctx.tool(look, {})).content}

        store = InMemoryStore()
        await store.put(ADA, "k", 1)
        outer = StateGraph(Log).add_node("inner", one_node("store_tool_inner", use, None, look))
        graph = edges(outer, "START>inner inner>END").compile(name="store_tool_outer", store=store)
        assert (await host.start(graph, {"log": []}, thread)).values["answer"] == "1"


class TestErrors:
    @pytest.mark.parametrize(("node", "where"), [(remember, "store_unmade.node"), (recall, "store")])
    async def test_of_what_makes_the_store_end_the_run(
        self, host: OrisHost, thread: str, node: Any, where: str
    ) -> None:
        def make() -> Store:
            raise KeyError("MY_DSN")

        done = await host.start(one_node("store_unmade", node, make), {"log": []}, thread)
        assert (done.status, done.error) == ("failed", "node")
        assert done.message == f"Node {where} failed: KeyError: 'MY_DSN'"

    @pytest.mark.parametrize("side", ["activity", "workflow"])
    async def test_end_the_run_and_name_the_node(self, host: OrisHost, thread: str, side: Any) -> None:
        async def node(state: Log, store: Store) -> dict[str, Any]:
            await store.put("users", "k", 1)
            return {}

        graph = one_node("store_bad", node, InMemoryStore(), run_as=side)
        done = await host.start(graph, {"log": []}, thread)
        assert (done.status, done.error) == ("failed", "store")
        assert done.message == "store_bad.node: The namespace 'users' is not a list of names. Write ('users',)."

    async def test_can_be_caught_by_a_workflow_side_node(self, host: OrisHost, thread: str) -> None:
        async def node(state: Log, ctx: Context) -> dict[str, Any]:
            said = []
            for place, value in [((), 1), (ADA, object())]:
                try:
                    await ctx.store.put(place, "k", value)
                except (StoreError, SerializationError) as error:
                    said.append(error.code)
            return {"log": said}

        done = await host.start(one_node("store_caught", node, InMemoryStore()), {"log": []}, thread)
        assert done.values["log"] == ["store", "serialization"]

    async def test_of_the_database_keep_their_kind(self, host: OrisHost, thread: str) -> None:
        class Full(InMemoryStore):
            async def _write(self, row: Any) -> None:
                raise StoreError("The disk is full.", kind="database")

        async def node(state: Log, ctx: Context) -> dict[str, Any]:
            try:
                await ctx.store.put(ADA, "k", 1)
            except StoreError as error:
                return {"answer": [error.kind, error.message]}
            return {}

        done = await host.start(one_node("store_full", node, Full()), {"log": []}, thread)
        assert done.values["answer"] == ["database", "The disk is full."]

    async def test_that_may_pass_are_tried_again(self, host: OrisHost, thread: str) -> None:
        class Busy(InMemoryStore):
            left = 1

            async def _write(self, row: Any) -> None:
                if self.left:
                    self.left -= 1
                    raise StoreError("The store is locked.", kind="unavailable")
                await super()._write(row)

        async def node(state: Log, ctx: Context) -> dict[str, Any]:
            await ctx.store.put(ADA, "k", 1)
            return {"answer": len(await ctx.store.search())}

        done = await host.start(one_node("store_busy", node, Busy()), {"log": []}, thread)
        assert done.values["answer"] == 1

    async def test_of_tools_are_told_to_the_model(self, host: OrisHost, thread: str) -> None:
        @tool
        async def keep(runtime: Runtime) -> None:
            """Keep something."""
            assert runtime.store is not None
            await runtime.store.put(ADA, "", 1)

        async def node(state: Log, ctx: Context) -> dict[str, Any]:
            try:
                await ctx.tool(keep, {})
            except (ToolError, StoreError) as error:
                return {"answer": f"{type(error).__name__}: {error.message}"}
            return {}

        done = await host.start(one_node("store_told", node, InMemoryStore(), keep), {"log": []}, thread)
        assert done.values["answer"] == "ToolError: Tool keep failed: The key '' must be text, and not empty."
