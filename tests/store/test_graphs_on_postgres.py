"""Graphs on Temporal that share a PostgreSQL database, as in production."""

from __future__ import annotations

from typing import Any

import psycopg
from typing_extensions import TypedDict

from oris_temporal import END, START, Context, OrisClient, PostgresStore, StateGraph, Store, Worker
from oris_temporal.testing import ReplayingWorker


class State(TypedDict, total=False):
    user: str
    visits: int


async def note(state: State, store: Store) -> dict[str, Any]:
    await store.put(("visits", state["user"]), str(len(await store.search(("visits", state["user"])))), {})
    return {}


async def count(state: State, ctx: Context) -> dict[str, Any]:
    return {"visits": len(await ctx.store.search(("visits", state["user"])))}


async def test_what_one_thread_writes_another_reads_even_after_its_connections_were_lost(
    oris_client: OrisClient, dsn: str
) -> None:
    graph = StateGraph(State).add_node("note", note).add_node("count", count)
    graph.add_edge(START, "note").add_edge("note", "count").add_edge("count", END)

    def visits() -> Worker:
        return ReplayingWorker(oris_client, [graph.compile(name="visits", store=lambda: PostgresStore(dsn))])

    async with visits():
        first = await oris_client.run("visits", input={"user": "ada"})
        with psycopg.connect(dsn, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
        second = await oris_client.run("visits", input={"user": "ada"})
    async with visits():  # with connections of its own
        third = await oris_client.run("visits", input={"user": "ada"})
    assert [done.values["visits"] for done in (first, second, third)] == [1, 2, 3]
