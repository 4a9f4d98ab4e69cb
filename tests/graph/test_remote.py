"""Nodes for HTTP workers, declared and run in this process; on Temporal: tests/api/test_remote_nodes.py."""

from __future__ import annotations

from typing import Any, TypedDict

import pytest

from oris_temporal import END, START, CompiledGraph, Context, RetryPolicy, StateGraph, load_graph
from oris_temporal.errors import GraphCompileError, GraphError


class Page(TypedDict, total=False):
    image: str
    text: str


async def read(page: Page) -> dict[str, Any]:
    return {"text": f"read {page['image']}"}


def scan(fn: Any = None, **options: Any) -> CompiledGraph:
    graph = StateGraph(Page).add_node("ocr", fn, run_as="remote", **options)
    return graph.add_edge(START, "ocr").add_edge("ocr", END).compile(name="scan")


async def test_a_function_stands_in_for_the_workers() -> None:
    result = await scan(read).invoke({"image": "a"})
    assert result.values["text"] == "read a"


async def test_without_one_the_node_says_where_it_runs() -> None:
    with pytest.raises(GraphError, match=r"scan\.ocr.* HTTP workers.*on Temporal"):
        await scan().invoke({"image": "a"})


def test_it_shows_where_it_runs() -> None:
    assert scan().nodes["ocr"].side == "remote"  # type: ignore[union-attr]


def test_a_heartbeat_has_no_effect() -> None:
    with pytest.raises(GraphCompileError, match=r"scan\.ocr.*heartbeat= has no effect on a node for HTTP workers"):
        scan(heartbeat="5s")


def test_other_options_have() -> None:
    scan(retry=RetryPolicy(), timeout="1h", total_timeout="1d", schedule_to_start="1h", priority=1, task_queue="gpu")


def test_a_context_is_only_in_the_workflow() -> None:
    async def ask(page: Page, ctx: Context) -> None: ...

    with pytest.raises(GraphCompileError, match=r"scan\.ocr.*Context.*run_as='remote'"):
        scan(ask)


def test_it_cannot_be_fused() -> None:
    graph = StateGraph(Page).add_node("read", read).add_node("ocr", run_as="remote", fuse=True)
    with pytest.raises(GraphCompileError, match=r"ocr.*fuse"):
        graph.add_edge(START, "read").add_edge("read", "ocr").add_edge("ocr", END).compile(name="scan")


def test_in_a_graph_that_is_data() -> None:
    graph = load_graph(
        {
            "name": "scan",
            "state": {"image": "str", "text": "str"},
            "nodes": [{"name": "ocr", "function": None, "options": {"run_as": "remote"}}],
            "edges": [{"from": START, "to": "ocr"}, {"from": "ocr", "to": END}],
        }
    )
    assert graph.nodes["ocr"].side == "remote"  # type: ignore[union-attr]
