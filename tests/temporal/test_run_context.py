"""The context of a run on Temporal: by name, over long histories, and where nobody checked it before."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from temporal_support import Serve
from typing_extensions import TypedDict

from oris_temporal import END, START, CompiledGraph, Context, OrisClient, StateGraph


class User(BaseModel):
    name: str


class State(TypedDict, total=False):
    told: list[str]


async def tell(state: State, ctx: Context) -> dict[str, Any]:
    told = [ctx.context.name]
    for number in range(5):
        await ctx.interrupt(number)
    return {"told": [*told, ctx.context.name]}


def telling() -> CompiledGraph:
    graph = StateGraph(State).add_node("tell", tell).add_edge(START, "tell").add_edge("tell", END)
    return graph.compile(name="telling", context_schema=User)


async def test_one_that_does_not_fit_fails_a_run_that_was_started_by_name(
    client: OrisClient, serve: Serve, thread: str
) -> None:
    async with serve(telling()):
        failed = await client.run("telling", thread, {}, context={"name": 7})
    assert failed.status == "failed"
    assert failed.error is not None
    assert failed.error["code"] == "invalid_update"
    assert failed.error["message"].startswith(
        "Graph telling: the context of the run does not fit: context['name']: Input should be a valid string"
    )


async def test_it_stays_when_the_run_continues_as_new(client: OrisClient, serve: Serve, thread: str) -> None:
    async with serve(telling()):
        handle = await client.start("telling", thread, {}, context=User(name="Ada"), continue_as_new_after=10)
        assert handle.thread_id == thread
        for number in range(5):
            done = await client.resume(thread, number)
    assert done.values == {"told": ["Ada", "Ada"]}
