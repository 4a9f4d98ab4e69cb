"""Agents of one worker that have different tools of the same name."""

from __future__ import annotations

from pathlib import Path

from temporal_support import Serve

from oris_temporal import CompiledGraph, InMemoryStore, OrisClient, Runtime, ToolCall, create_agent, tool
from oris_temporal.agents import create_deep_agent
from oris_temporal.models.fake import fake_model
from oris_temporal.tools import CompositeBackend, StateBackend, StoreBackend, Tool


def who(answer: str, *, knows_run: bool) -> Tool:
    if knows_run:

        @tool(name="who", description="Who is it?")
        async def of_run(runtime: Runtime) -> str:
            return f"{answer} {runtime.config['configurable'].get('mark', '')}".strip()

        return of_run

    @tool(name="who", description="Who is it?")
    async def plain() -> str:
        return answer

    return plain


def asking(name: str, *tools: Tool) -> CompiledGraph:
    return create_agent(fake_model(ToolCall("c", "who", {}), "ok", name=name), list(tools), name=name)


async def told(client: OrisClient, graph: str, thread: str) -> str:
    values = (await client.run(graph, f"{thread}-{graph}", "Who?")).values
    return str(values["messages"][2]["content"])


async def test_each_calls_its_own(client: OrisClient, serve: Serve, thread: str) -> None:
    graphs = [
        asking(name, who(name, knows_run=knows)) for name, knows in (("ada", False), ("bob", True), ("cyd", False))
    ]
    async with serve(*graphs):
        assert [await told(client, name, thread) for name in ("ada", "bob", "cyd")] == ["ada", "bob", "cyd"]


async def test_deep_agents_with_files_in_different_places(
    client: OrisClient, serve: Serve, thread: str, tmp_path: Path
) -> None:
    def writer(name: str, backend: object) -> CompiledGraph:
        model = fake_model(ToolCall("c", "write_file", {"path": "kept/a.md", "content": name}), "ok", name=name)
        return create_deep_agent(model, name=name, backend=backend, memory=["kept/a.md"], store=InMemoryStore())

    composite = CompositeBackend(StateBackend(), {"kept/": StoreBackend()})
    places = {"one": tmp_path / "one", "two": tmp_path / "two", "three": composite, "four": StateBackend()}
    async with serve(*(writer(name, place) for name, place in places.items())):
        for name in places:
            done = await client.run(name, f"{thread}-{name}", "Write.")
            assert done.values["messages"][2]["content"] == "kept/a.md has 1 line now."
            again = await client.run(name, f"{thread}-{name}", "And?")
            assert again.values["memory"] == {"kept/a.md": name}
    assert [(tmp_path / name / "kept/a.md").read_text() for name in ("one", "two")] == ["one", "two"]
