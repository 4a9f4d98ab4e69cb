"""What people do to a thread from outside - edit, redirect, retry, travel in time - on every host of ours."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any
from uuid import uuid4

import pytest
from cases import says
from effects import note, ran
from hosts import OrisHost
from states import ChildLog, Log

from oris_temporal import END, START, Command, CompiledGraph, Context, RunnableConfig, Send, StateGraph, StreamWriter
from oris_temporal.graph.errors import AmbiguousResumeError


@pytest.fixture
def thread(request: pytest.FixtureRequest, host: OrisHost) -> str:
    return f"{host.name}-{uuid4().hex[:12]}"


def line(name: str, nodes: str, **options: Any) -> CompiledGraph:
    """A graph of nodes in a row; each writes its name and counts its calls."""
    graph = StateGraph(Log)
    names = [START, *nodes.split(), END]
    for node in names[1:-1]:
        graph.add_node(node, counted(node))
    for source, target in itertools.pairwise(names):
        graph.add_edge(source, target)
    return graph.compile(name=name, **options)


def counted(node: str) -> Any:
    def call(state: Log, config: RunnableConfig) -> dict[str, Any]:
        note(config, node)
        return {"log": [node]}

    return call


async def ask(state: Log, ctx: Context) -> dict[str, Any]:
    return {"log": [str(await ctx.interrupt("ok?"))]}


class TestUpdateState:
    async def test_reducers_apply_and_what_runs_next_stays(self, host: OrisHost, thread: str) -> None:
        graph = line("edit", "a b c", interrupt_before=["b"])
        await host.start(graph, {"log": []}, thread)

        await host.update_state(graph, thread, {"log": ["edited"], "n": 7})

        snapshot = await host.state(graph, thread)
        assert snapshot.values == {"log": ["a", "edited"], "n": 7}
        assert snapshot.next == ["b"]
        done = await host.proceed(graph, thread)
        assert done.values == {"log": ["a", "edited", "b", "c"], "n": 7}

    async def test_as_node_recomputes_what_runs_next(self, host: OrisHost, thread: str) -> None:
        graph = line("edit_as_node", "a b c", interrupt_before=["b"])
        await host.start(graph, {"log": []}, thread)

        await host.update_state(graph, thread, {"log": ["b by hand"]}, as_node="b")

        assert (await host.state(graph, thread)).next == ["c"]
        done = await host.proceed(graph, thread)
        assert done.values == {"log": ["a", "b by hand", "c"]}
        assert ran[thread, "b"] == 0

    async def test_as_node_asks_the_nodes_router(self, host: OrisHost, thread: str) -> None:
        graph = StateGraph(Log)
        for node in "abc":
            graph.add_node(node, says(node))
        graph.add_edge(START, "a").add_edge("b", END).add_edge("c", END)
        graph.add_conditional_edges("a", lambda state: "c" if state.get("n") == 1 else "b", ["b", "c"])
        compiled = graph.compile(name="edit_as_router", interrupt_after=["a"])
        await host.start(compiled, {"log": []}, thread)

        await host.update_state(compiled, thread, {"n": 1}, as_node="a")

        assert (await host.proceed(compiled, thread)).values == {"log": ["a", "c"], "n": 1}

    async def test_an_edit_beside_a_pending_interrupt(self, host: OrisHost, thread: str) -> None:
        graph = StateGraph(Log).add_node("ask", ask).add_edge(START, "ask").add_edge("ask", END)
        compiled = graph.compile(name="edit_beside_interrupt")
        await host.start(compiled, {"log": []}, thread)

        await host.update_state(compiled, thread, {"log": ["edited"]})

        assert (await host.resume(compiled, thread, "yes")).values == {"log": ["edited", "yes"]}

    async def test_an_edit_is_a_checkpoint_after_the_one_it_edits(self, host: OrisHost, thread: str) -> None:
        graph = line("edit_checkpoint", "a b", interrupt_before=["b"])
        await host.start(graph, {"log": []}, thread)
        before = await host.state(graph, thread)

        edited = await host.update_state(graph, thread, {"log": ["edited"]})

        snapshot = await host.state(graph, thread)
        assert snapshot.checkpoint_id == edited > before.checkpoint_id
        assert snapshot.metadata["source"] == "update"
        assert snapshot.parent_config is not None
        assert snapshot.parent_config["checkpoint_id"] == before.checkpoint_id


class TestCommandFromOutside:
    async def test_goto_replaces_what_waits(self, host: OrisHost, thread: str) -> None:
        graph = StateGraph(Log).add_node("ask", ask).add_node("other", says("other"))
        graph.add_edge(START, "ask").add_edge("ask", END).add_edge("other", END)
        graph.add_conditional_edges("ask", lambda state: [], ["other"])
        compiled = graph.compile(name="goto_from_outside")
        await host.start(compiled, {"log": []}, thread)

        done = await host.command(compiled, thread, Command(goto="other"))

        assert (done.status, done.values) == ("completed", {"log": ["other"]})

    async def test_update_and_resume_in_one(self, host: OrisHost, thread: str) -> None:
        graph = StateGraph(Log).add_node("ask", ask).add_edge(START, "ask").add_edge("ask", END)
        compiled = graph.compile(name="update_and_resume")
        await host.start(compiled, {"log": []}, thread)

        done = await host.command(compiled, thread, Command(update={"log": ["noted"]}, resume="yes"))

        assert (done.status, done.values) == ("completed", {"log": ["noted", "yes"]})

    async def test_goto_with_an_update_at_a_breakpoint(self, host: OrisHost, thread: str) -> None:
        graph = line("goto_at_breakpoint", "a b c", interrupt_before=["b"])
        await host.start(graph, {"log": []}, thread)

        done = await host.command(graph, thread, Command(update={"log": ["skipped b"]}, goto="c"))

        assert (done.status, done.values) == ("completed", {"log": ["a", "skipped b", "c"]})
        assert ran[thread, "b"] == 0

    async def test_without_a_value_a_question_stays(self, host: OrisHost, thread: str) -> None:
        graph = StateGraph(Log).add_node("ask", ask).add_edge(START, "ask").add_edge("ask", END)
        compiled = graph.compile(name="no_value")
        await host.start(compiled, {"log": []}, thread)

        assert (await host.proceed(compiled, thread)).questions == [("ask", "ok?")]
        assert (await host.resume(compiled, thread, None)).values == {"log": ["None"]}

    async def test_goto_sends(self, host: OrisHost, thread: str) -> None:
        async def each(item: int) -> dict[str, Any]:
            return {"log": [f"item {item}"]}

        graph = StateGraph(Log).add_node("ask", ask).add_node("each", each)
        graph.add_edge(START, "ask").add_edge("each", END)
        graph.add_conditional_edges("ask", lambda state: [], ["each"])
        compiled = graph.compile(name="goto_sends")
        await host.start(compiled, {"log": []}, thread)

        done = await host.command(compiled, thread, Command(goto=[Send("each", 1), Send("each", 2)]))

        assert (done.status, done.values) == ("completed", {"log": ["item 1", "item 2"]})

    async def test_an_answer_with_a_goto_comes_before_it(self, host: OrisHost, thread: str) -> None:
        graph = StateGraph(Log).add_node("ask", ask).add_node("usual", says("usual")).add_node("other", says("other"))
        graph.add_edge(START, "ask").add_edge("ask", "usual").add_edge("usual", END).add_edge("other", END)
        graph.add_conditional_edges("usual", lambda state: [], ["other"])
        compiled = graph.compile(name="answer_and_goto")
        await host.start(compiled, {"log": []}, thread)

        done = await host.command(compiled, thread, Command(resume="yes", update={"log": ["noted"]}, goto="other"))

        assert (done.status, done.values) == ("completed", {"log": ["noted", "yes", "other"]})

    async def test_an_answer_that_cannot_be_taken_leaves_the_goto_undone(self, host: OrisHost, thread: str) -> None:
        graph = StateGraph(Log).add_node("other", says("other")).add_edge("other", END)
        for name in ("left", "right"):
            graph.add_node(name, ask).add_edge(START, name).add_edge(name, END)
        graph.add_conditional_edges("left", lambda state: [], ["other"])
        compiled = graph.compile(name="ambiguous_and_goto")
        paused = await host.start(compiled, {"log": []}, thread)

        with pytest.raises(AmbiguousResumeError):
            await host.command(compiled, thread, Command(resume="yes", update={"log": ["noted"]}, goto="other"))

        done = await host.answer(compiled, thread, {item.id: "yes" for item in paused.asks})
        assert (done.status, done.values) == ("completed", {"log": ["yes", "yes"]})


class TestHistory:
    async def test_newest_first_one_per_superstep_and_the_input(self, host: OrisHost, thread: str) -> None:
        graph = line("history", "a b")
        await host.start(graph, {"log": ["in"]}, thread)

        history = await host.history(graph, thread)

        assert [snapshot.values["log"] for snapshot in history] == [["in", "a", "b"], ["in", "a"], ["in"]]
        assert [snapshot.next for snapshot in history] == [[], ["b"], ["a"]]
        assert [snapshot.metadata["source"] for snapshot in history] == ["loop", "loop", "input"]
        assert history[1].metadata["writes"] == [["a", {"log": ["a"]}]]

    async def test_ids_sort_and_each_names_its_predecessor(self, host: OrisHost, thread: str) -> None:
        graph = line("history_ids", "a b c")
        await host.start(graph, {"log": []}, thread)

        history = await host.history(graph, thread)

        ids = [snapshot.checkpoint_id for snapshot in history]
        assert ids == sorted(ids, reverse=True)
        parents = [snapshot.parent_config and snapshot.parent_config["checkpoint_id"] for snapshot in history]
        assert parents == [*ids[1:], None]

    async def test_a_checkpoint_can_be_read_by_its_id(self, host: OrisHost, thread: str) -> None:
        graph = line("history_by_id", "a b")
        await host.start(graph, {"log": []}, thread)
        first = (await host.history(graph, thread))[-1]

        snapshot = await host.state(graph, thread, first.checkpoint_id)

        assert (snapshot.values, snapshot.next) == ({"log": []}, ["a"])

    async def test_a_pause_shows_what_is_pending(self, host: OrisHost, thread: str) -> None:
        graph = StateGraph(Log).add_node("ask", ask).add_edge(START, "ask").add_edge("ask", END)
        compiled = graph.compile(name="history_pause")
        await host.start(compiled, {"log": []}, thread)

        snapshot = await host.state(compiled, thread)

        assert [(item.node, item.value) for item in snapshot.interrupts] == [("ask", "ok?")]
        assert snapshot.next == ["ask"]

    async def test_a_pause_in_a_subgraph_shows_what_is_pending(self, host: OrisHost, thread: str) -> None:
        child = StateGraph(ChildLog).add_node("ask", ask).add_edge(START, "ask").add_edge("ask", END)
        graph = StateGraph(Log).add_node("child", child.compile(name="history_pausing_child"))
        compiled = graph.add_edge(START, "child").add_edge("child", END).compile(name="history_pause_in_child")
        await host.start(compiled, {"log": []}, thread)

        snapshot = await host.state(compiled, thread)

        assert [(item.node, item.value) for item in snapshot.interrupts] == [("ask", "ok?")]
        assert snapshot.interrupts[0].namespace.startswith("child:")


class TestReplay:
    async def test_nothing_before_the_checkpoint_runs_again(self, host: OrisHost, thread: str) -> None:
        graph = line("replay", "a b c")
        await host.start(graph, {"log": []}, thread)
        after_a = (await host.history(graph, thread))[2]
        assert after_a.next == ["b"]

        done = await host.replay(graph, thread, after_a.checkpoint_id)

        assert (done.status, done.values) == ("completed", {"log": ["a", "b", "c"]})
        assert [ran[thread, node] for node in "abc"] == [1, 2, 2]

    async def test_the_replay_is_recorded_as_a_branch(self, host: OrisHost, thread: str) -> None:
        graph = line("replay_branch", "a b")
        await host.start(graph, {"log": []}, thread)
        history = await host.history(graph, thread)
        after_a = history[1]

        await host.replay(graph, thread, after_a.checkpoint_id)

        longer = await host.history(graph, thread)
        assert [snapshot.checkpoint_id for snapshot in longer][-len(history) :] == [
            snapshot.checkpoint_id for snapshot in history
        ]
        branch = longer[: -len(history)]
        assert branch[-1].parent_config is not None
        assert branch[-1].parent_config["checkpoint_id"] == after_a.checkpoint_id
        assert branch[0].values == {"log": ["a", "b"]}
        assert (await host.state(graph, thread)).checkpoint_id == branch[0].checkpoint_id

    async def test_an_interrupt_is_asked_again(self, host: OrisHost, thread: str) -> None:
        graph = StateGraph(Log).add_node("a", says("a")).add_node("ask", ask)
        graph.add_edge(START, "a").add_edge("a", "ask").add_edge("ask", END)
        compiled = graph.compile(name="replay_interrupt")
        await host.start(compiled, {"log": []}, thread)
        await host.resume(compiled, thread, "first")
        after_a = (await host.history(compiled, thread))[1]

        again = await host.replay(compiled, thread, after_a.checkpoint_id)
        assert (again.status, again.questions) == ("interrupted", [("ask", "ok?")])

        done = await host.resume(compiled, thread, "second")
        assert done.values == {"log": ["a", "second"]}


class TestFailure:
    async def test_finished_siblings_do_not_run_again(self, host: OrisHost, thread: str) -> None:
        """Their updates are kept as pending writes, so that a retried superstep merges them (2.3.8)."""

        async def slow_then_boom(state: Log, config: RunnableConfig) -> dict[str, Any]:
            note(config, "boom")
            if ran[thread, "boom"] == 1:
                while not ran[thread, "sibling"]:
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.2)
                raise ValueError("first time")
            return {"log": ["boom"]}

        graph = StateGraph(Log).add_node("boom", slow_then_boom).add_node("sibling", counted("sibling"))
        graph.add_edge(START, "boom").add_edge(START, "sibling").add_edge("boom", END).add_edge("sibling", END)
        compiled = graph.compile(name="pending_writes")
        failed = await host.start(compiled, {"log": []}, thread)
        assert (failed.status, failed.values) == ("failed", {"log": []})
        assert "pending_writes.boom" in failed.message

        done = await host.retry(compiled, thread)

        assert (done.status, done.values) == ("completed", {"log": ["boom", "sibling"]})
        assert (ran[thread, "boom"], ran[thread, "sibling"]) == (2, 1)


class TestNodes:
    async def test_custom_data_arrives_in_order(self, host: OrisHost, thread: str) -> None:
        def from_activity(state: Log, writer: StreamWriter) -> None:
            writer("one")
            writer({"two": 2})

        async def from_workflow(state: Log, ctx: Context) -> None:
            ctx.write([3])

        graph = StateGraph(Log).add_node("a", from_activity).add_node("b", from_workflow)
        compiled = graph.add_edge(START, "a").add_edge("a", "b").add_edge("b", END).compile(name="custom_data")

        assert await host.stream(compiled, {"log": []}, thread, "custom") == ["one", {"two": 2}, [3]]

    async def test_a_thread_runs_again_from_a_fresh_state(self, host: OrisHost, thread: str) -> None:
        graph = line("again", "a")
        await host.start(graph, {"log": ["first"]}, thread)

        again = await host.start(graph, {"log": ["second"]}, thread)

        assert again.values == {"log": ["second", "a"]}
        assert len(await host.history(graph, thread)) == 4


class TestBranches:
    async def test_branches_of_a_node_ask_at_once_and_go_on_by_themselves(self, host: OrisHost, thread: str) -> None:
        async def twice(ctx: Context, name: str) -> str:
            first = await ctx.interrupt(f"{name} 1")
            return f"{name}: {first}, {await ctx.interrupt(f'{name} 2')}"

        async def both(state: Log, ctx: Context) -> dict[str, Any]:
            return {"log": await asyncio.gather(*(twice(ctx.branch(name), name) for name in ("a", "b")))}

        graph = StateGraph(Log).add_node("both", both).add_edge(START, "both").add_edge("both", END)
        compiled = graph.compile(name="branches")
        record = await host.start(compiled, {"log": []}, thread)
        assert [item.value for item in record.asks] == ["a 1", "b 1"]
        record = await host.answer(compiled, thread, {record.asks[1].id: "x"})
        assert sorted(item.value for item in record.asks) == ["a 1", "b 2"]
        record = await host.answer(compiled, thread, {item.id: item.value for item in record.asks})
        record = await host.answer(compiled, thread, {record.asks[0].id: "y"})
        assert record.values["log"] == ["a: a 1, y", "b: x, b 2"]

    async def test_what_a_node_logs_is_logged_once(
        self, host: OrisHost, thread: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def logs(state: Log, ctx: Context) -> dict[str, Any]:
            ctx.log("before")
            await ctx.interrupt("ok?")
            ctx.log("after")
            return {"log": []}

        caplog.set_level("INFO", "oris_temporal.nodes")
        graph = (
            StateGraph(Log).add_node("logs", logs).add_edge(START, "logs").add_edge("logs", END).compile(name="logs")
        )
        await host.start(graph, {"log": []}, thread)
        await host.resume(graph, thread, True)
        found = [record for record in caplog.records if record.name == "oris_temporal.nodes"]
        assert [(record.getMessage(), record.node) for record in found] == [("before", "logs"), ("after", "logs")]  # type: ignore[attr-defined]
