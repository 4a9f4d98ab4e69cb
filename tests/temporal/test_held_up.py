"""A workflow task that is held up for longer than the SDK allows is tried again: the run goes on."""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import TypedDict

import pytest
from temporal_support import Serve, event_counts

from oris_temporal import END, START, Context, OrisClient, StateGraph


class Held(TypedDict, total=False):
    count: int


def _iterations(seconds: float) -> int:
    begin = time.perf_counter()
    hashlib.pbkdf2_hmac("sha256", b"", b"", 200_000)
    return int(200_000 * seconds / (time.perf_counter() - begin))


ITERATIONS = _iterations(3.5)


def hold_up() -> None:
    """Computes in C, as the reading of a large JSON text does: nothing can interrupt it before it ends."""
    hashlib.pbkdf2_hmac("sha256", b"", b"", ITERATIONS)


class Finalizer:
    """Its end swallows what is raised there, as that of any object does."""

    def __del__(self) -> None:
        hold_up()


@pytest.mark.alone
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("where", ["node", "finalizer"])
async def test_a_run_goes_on(client: OrisClient, serve: Serve, thread: str, where: str) -> None:
    attempts: list[int] = []

    async def work(state: Held, ctx: Context) -> dict:
        await ctx.sleep(0.1)
        attempts.append(1)
        if len(attempts) == 1:
            if where == "node":
                hold_up()
            else:
                Finalizer()
        return {"count": 1}

    async def ask(state: Held, ctx: Context) -> None:
        await ctx.interrupt("Go on?")

    graph = StateGraph(Held).add_node("work", work).add_node("ask", ask)
    graph.add_edge(START, "work").add_edge(START, "ask").add_edge("work", END).add_edge("ask", END)
    async with serve(graph.compile(name="held"), max_cached_workflows=10):
        result = await asyncio.wait_for(client.run("held", thread, {}), 60)
        assert result.status == "interrupted", result.error
        result = await asyncio.wait_for(client.resume(thread, "yes"), 20)
        assert result.status == "completed"
        counts = await event_counts(client, thread)
    assert counts["WORKFLOW_TASK_FAILED"] + counts["WORKFLOW_TASK_TIMED_OUT"] == 1
