"""The context of a run: facts that its nodes and tools are told, on both hosts."""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, NotRequired
from uuid import uuid4

import pytest
from cases import edges
from hosts import InProcessHost, Options, OrisHost
from pydantic import BaseModel, Field
from states import Log
from typing_extensions import TypedDict

from oris_temporal import END, START, CompiledGraph, Context, RunnableConfig, Runtime, StateGraph, Tool, tool
from oris_temporal.graph.errors import GraphCompileError, InvalidUpdateError, ThreadNotFoundError


@pytest.fixture
def thread(host: OrisHost) -> str:
    return f"{host.name}-{uuid4().hex[:12]}"


class User(BaseModel):
    name: str
    born: date = date(2000, 1, 1)


@dataclass
class Team:
    name: str
    size: int = 3


class Place(TypedDict):
    city: str
    code: NotRequired[int]


class Room(typing.TypedDict, total=False):
    number: typing.Required[int]
    floor: typing.Annotated[int, Field(ge=0)]


def one_node(name: str, node: Callable[..., Any], schema: Any = None, *tools: Tool) -> CompiledGraph:
    graph = StateGraph(Log).add_node("node", node).add_tools(*tools)
    return graph.add_edge(START, "node").add_edge("node", END).compile(name=name, context_schema=schema)


async def tell(state: Log, ctx: Context) -> dict[str, Any]:
    return {"answer": repr(ctx.context)}


@pytest.mark.parametrize(
    ("schema", "given", "told"),
    [
        (User, {"name": "Ada", "born": "1815-12-10"}, "User(name='Ada', born=datetime.date(1815, 12, 10))"),
        (User, User(name="Ada"), "User(name='Ada', born=datetime.date(2000, 1, 1))"),
        (Team, {"name": "one"}, "Team(name='one', size=3)"),
        (Team, Team("two", 5), "Team(name='two', size=5)"),
        (Place, {"city": "Bern"}, "{'city': 'Bern'}"),
        (Room, {"number": 7, "floor": 1}, "{'number': 7, 'floor': 1}"),
        (Room, {"number": 7}, "{'number': 7}"),
        (None, {"any": ["thing"]}, "{'any': ['thing']}"),
        (None, None, "None"),
    ],
)
async def test_a_workflow_side_node_is_told_it(host: OrisHost, thread: str, schema: Any, given: Any, told: str) -> None:
    done = await host.start(one_node("context_told", tell, schema), {"log": []}, thread, Options(context=given))
    assert done.values["answer"] == told


@pytest.mark.parametrize("run_as", ["activity", "local", "workflow"])
async def test_a_tool_is_told_it(host: OrisHost, thread: str, run_as: Any) -> None:
    @tool(run_as=run_as)
    async def who(runtime: Runtime[User]) -> str:
        """Who asks?"""
        return f"{runtime.context.name} {runtime.context.born.year}"

    async def node(state: Log, ctx: Context) -> dict[str, Any]:
        return {"answer": (await ctx.tool(who, {})).content}

    graph = one_node(f"context_tool_{run_as}", node, User, who)
    done = await host.start(graph, {"log": []}, thread, Options(context={"name": "Ada"}))
    assert done.values["answer"] == "Ada 2000"


async def test_an_activity_side_node_has_it_in_its_configuration(host: OrisHost, thread: str) -> None:
    async def node(state: Log, config: RunnableConfig) -> dict[str, Any]:
        return {"answer": config["context"]}

    graph = one_node("context_config", node, User)
    done = await host.start(graph, {"log": []}, thread, Options(context=User(name="Ada")))
    assert done.values["answer"] == {"name": "Ada", "born": "2000-01-01"}


async def test_what_a_node_does_to_it_nobody_else_sees(host: OrisHost, thread: str) -> None:
    async def node(state: Log, ctx: Context) -> dict[str, Any]:
        ctx.context["tags"].append("mine")
        return {"answer": ctx.context}

    graph = one_node("context_isolated", node)
    done = await host.start(graph, {"log": []}, thread, Options(context={"tags": []}))
    assert done.values["answer"] == {"tags": []}


@pytest.mark.parametrize("given", [{"name": 7}, {}, None, "Ada"])
async def test_one_that_does_not_fit_is_refused_before_anything_runs(host: OrisHost, thread: str, given: Any) -> None:
    graph = one_node("context_refused", tell, User)
    config = {"configurable": {"thread_id": thread}}
    if isinstance(host, InProcessHost):
        starting: Any = graph.invoke({"log": []}, config, context=given)
    else:
        starting = host.start(graph, {"log": []}, thread, Options(context=given))
    with pytest.raises(InvalidUpdateError, match="context"):
        await starting
    with pytest.raises(ThreadNotFoundError):
        await host.state(graph, thread)


@pytest.mark.parametrize("run_as", ["inline", "child_workflow"])
async def test_a_subgraph_reads_it_by_a_schema_of_its_own(host: OrisHost, thread: str, run_as: Any) -> None:
    inner = one_node("context_inner", tell, Team)
    outer = StateGraph(Log).add_subgraph("inner", inner, run_as=run_as)
    graph = edges(outer, "START>inner inner>END").compile(name="context_outer", context_schema=User)
    done = await host.start(graph, {"log": []}, thread, Options(context={"name": "Ada", "size": 4}))
    assert done.values["answer"] == "Team(name='Ada', size=4)"


class TestRunsFromACheckpoint:
    async def test_a_replay_has_the_context_and_the_keys_of_the_run(self, host: OrisHost, thread: str) -> None:
        graph = one_node("context_replayed", tell_all)
        given = Options(context={"who": "ada"}, configurable={"user_id": "u-1"})
        await host.start(graph, {"log": []}, thread, given)
        first = (await host.history(graph, thread))[-1]

        again = await host.replay(graph, thread, first.checkpoint_id)

        assert again.values["answer"] == [{"who": "ada"}, "u-1", thread]

    async def test_so_has_a_fork(self, host: OrisHost, thread: str) -> None:
        graph = one_node("context_forked", tell_all)
        given = Options(context={"who": "ada"}, configurable={"user_id": "u-1"})
        await host.start(graph, {"log": []}, thread, given)
        first = (await host.history(graph, thread))[-1]

        fork, record = await host.fork(graph, thread, first.checkpoint_id, {"log": ["edited"]})

        assert record.values["answer"] == [{"who": "ada"}, "u-1", fork]


async def tell_all(state: Log, ctx: Context) -> dict[str, Any]:
    return {"answer": [ctx.context, ctx.config["configurable"].get("user_id"), ctx.config["configurable"]["thread_id"]]}


def test_a_schema_that_is_of_no_use_is_refused() -> None:
    class Secret(BaseModel):
        key: Callable[[], None]

    with pytest.raises(GraphCompileError, match="context_schema"):
        one_node("context_useless", tell, Secret)
