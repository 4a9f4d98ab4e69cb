"""The ledger of Oris defects (graph model, part 8): each acceptance check as a test of its own, on every host of ours.

B3-B5, B13-B17, B28, B29, B31-B34, B38 and B39 are tested with agents (`test_agents`, `test_middleware_*`, `test_multi_agent`,
`test_deep_agent`), B40 with the names of models, B44 with stores; B18, B36, B42 and B43 concern Temporal, the kernel's policies and
the HTTP API, and are tested with those.
"""

from __future__ import annotations

import asyncio
import itertools
import operator
import random
from typing import Annotated, Any, TypedDict
from uuid import uuid4

import pytest
from cases import add_sayers, edges, says
from effects import note, ran
from hosts import Options, OrisHost
from pydantic import BaseModel
from states import ChildLog, Log

from oris_temporal import (
    END,
    START,
    Command,
    CompiledGraph,
    Context,
    InMemoryStore,
    Message,
    MessagesState,
    RunnableConfig,
    Runtime,
    StateGraph,
    Store,
    StreamWriter,
    ToolCall,
    append_messages,
    create_agent,
    interrupt,
    tool,
)
from oris_temporal.agents import Middleware
from oris_temporal.graph.errors import GraphCompileError
from oris_temporal.models.fake import fake_model, slow


@pytest.fixture
def thread(host: OrisHost) -> str:
    return f"{host.name}-{uuid4().hex[:12]}"


def review() -> CompiledGraph:
    """research -> approve, as in the README."""

    async def research(state: MessagesState, config: RunnableConfig) -> dict[str, Any]:
        note(config, "research")
        return {"messages": [Message.ai("findings")]}

    async def approve(state: MessagesState, ctx: Context) -> dict[str, Any]:
        answer = await ctx.interrupt({"question": "Publish?"})
        return {"messages": [Message.ai(f"approved={answer['ok']}")]}

    graph = StateGraph(MessagesState).add_node("research", research).add_node("approve", approve)
    graph.add_edge(START, "research").add_edge("research", "approve").add_edge("approve", END)
    return graph.compile(name="ledger_review")


def texts(values: dict[str, Any]) -> list[str]:
    return [message["content"] for message in values["messages"]]


class TestResume:
    async def test_b01_resume_continues_where_it_paused(self, host: OrisHost, thread: str) -> None:
        graph = review()
        await host.start(graph, "hello", thread)

        done = await host.resume(graph, thread, {"ok": True})

        assert texts(done.values) == ["hello", "findings", "approved=True"]
        assert ran[thread, "research"] == 1

    async def test_b01_replay_continues_where_it_is_told_to(self, host: OrisHost, thread: str) -> None:
        graph = review()
        await host.start(graph, "hello", thread)
        await host.resume(graph, thread, {"ok": True})
        before_approve = (await host.history(graph, thread))[1]

        again = await host.replay(graph, thread, before_approve.checkpoint_id)
        done = await host.resume(graph, thread, {"ok": False})

        assert again.status == "interrupted"
        assert texts(done.values) == ["hello", "findings", "approved=False"]
        assert ran[thread, "research"] == 1

    async def test_b02_an_interrupt_in_a_subgraph_pauses_the_parent(self, host: OrisHost, thread: str) -> None:
        async def ask(state: ChildLog, ctx: Context) -> dict[str, Any]:
            return {"log": [await ctx.interrupt("child?")]}

        async def first(state: ChildLog, config: RunnableConfig) -> dict[str, Any]:
            note(config, "first")
            return {"log": ["first"]}

        child = edges(
            StateGraph(ChildLog).add_node("first", first).add_node("ask", ask), "START>first first>ask ask>END"
        )
        graph = add_sayers(StateGraph(Log).add_node("child", child.compile(name="ledger_b02_child")), "after")
        compiled = edges(graph, "START>child child>after after>END").compile(name="ledger_b02")

        paused = await host.start(compiled, {"log": []}, thread)
        assert (paused.status, paused.questions) == ("interrupted", [("ask", "child?")])
        assert paused.values == {"log": []}

        done = await host.resume(compiled, thread, "yes")
        assert done.values == {"log": ["first", "yes", "after"]}
        assert ran[thread, "first"] == 1

    @pytest.mark.parametrize("side", ["activity", "workflow"])
    async def test_b12_two_interrupts_in_one_node_finish(self, host: OrisHost, thread: str, side: Any) -> None:
        async def ask(state: Log) -> dict[str, Any]:
            return {"log": [await interrupt("first?"), await interrupt("second?")]}

        graph = StateGraph(Log).add_node("ask", ask, run_as=side)
        compiled = edges(graph, "START>ask ask>END").compile(name=f"ledger_b12_{side}")

        paused = await host.start(compiled, {"log": []}, thread)
        assert paused.questions == [("ask", "first?")]
        paused = await host.resume(compiled, thread, "one")
        assert paused.questions == [("ask", "second?")]
        done = await host.resume(compiled, thread, "two")
        assert (done.status, done.values) == ("completed", {"log": ["one", "two"]})

    async def test_b19_a_pause_is_reported_as_a_pause(self, host: OrisHost, thread: str) -> None:
        """By a start, by going on without an answer, and by a replay."""
        graph = review()

        assert (await host.start(graph, "hello", thread)).status == "interrupted"
        checkpoint = (await host.state(graph, thread)).checkpoint_id
        assert (await host.replay(graph, thread, checkpoint)).status == "interrupted"

    async def test_b24_resume_of_a_requested_checkpoint(self, host: OrisHost, thread: str) -> None:
        async def ask(state: Log, ctx: Context) -> dict[str, Any]:
            return {"log": [await ctx.interrupt(f"turn {len(state['log'])}?")]}

        graph = StateGraph(Log).add_node("ask", ask).add_edge(START, "ask")
        graph.add_conditional_edges("ask", lambda state: "ask" if len(state["log"]) < 3 else END, ["ask", END])
        compiled = graph.compile(name="ledger_b24")
        await host.start(compiled, {"log": []}, thread)
        for answer in ("a", "b", "c"):
            await host.resume(compiled, thread, answer)
        after_a = (await host.history(compiled, thread))[2]
        assert after_a.values == {"log": ["a"]}

        paused = await host.resume_at(compiled, thread, after_a.checkpoint_id, "B")

        assert (paused.values, paused.questions) == ({"log": ["a", "B"]}, [("ask", "turn 2?")])


ENTRIES = ["start", "stream", "resume", "replay"]


async def run_by(entry: str, host: OrisHost, graph: CompiledGraph, thread: str) -> list[str]:
    """Run a graph that begins with node ``a``, by some entry point; returns the log."""
    if entry == "stream":
        await host.stream(graph, {"log": []}, thread, "values")
        return list((await host.state(graph, thread)).values["log"])
    if entry == "resume":
        await host.start(graph, {"log": []}, thread, Options(interrupt_before=["a"]))
        return list((await host.proceed(graph, thread)).values["log"])
    record = await host.start(graph, {"log": []}, thread)
    if entry == "replay":
        first = (await host.history(graph, thread))[-1]
        record = await host.replay(graph, thread, first.checkpoint_id)
    return list(record.values["log"])


class TestScheduling:
    @pytest.mark.parametrize("entry", ENTRIES)
    async def test_b06_only_the_chosen_branch_runs(self, host: OrisHost, thread: str, entry: str) -> None:
        graph = edges(add_sayers(StateGraph(Log), "a yes no"), "START>a yes>END no>END")
        graph.add_conditional_edges("a", lambda state: True, {True: "yes", False: "no"})
        compiled = graph.compile(name=f"ledger_b06_{entry}")

        assert await run_by(entry, host, compiled, thread) == ["a", "yes"]

    @pytest.mark.parametrize("entry", ENTRIES)
    async def test_b07_both_branches_of_a_fan_out_run(self, host: OrisHost, thread: str, entry: str) -> None:
        graph = edges(add_sayers(StateGraph(Log), "a b c"), "START>a a>b a>c b>END c>END")
        compiled = graph.compile(name=f"ledger_b07_{entry}")

        assert await run_by(entry, host, compiled, thread) == ["a", "b", "c"]

    async def test_b08_loops_finish(self, host: OrisHost, thread: str) -> None:
        graph = edges(add_sayers(StateGraph(Log), "a b"), "START>a a>b")
        graph.add_conditional_edges("b", lambda state: "a" if len(state["log"]) < 6 else END, ["a", END])

        done = await host.start(graph.compile(name="ledger_b08_loop"), {"log": []}, thread)

        assert (done.status, done.values) == ("completed", {"log": ["a", "b"] * 3})

    async def test_b08_a_branch_that_ends_early_does_not_end_the_run(self, host: OrisHost, thread: str) -> None:
        graph = edges(add_sayers(StateGraph(Log), "short l1 l2"), "START>short START>l1 short>END l1>l2 l2>END")

        done = await host.start(graph.compile(name="ledger_b08_uneven"), {"log": []}, thread)

        assert (done.status, done.values) == ("completed", {"log": ["short", "l1", "l2"]})

    async def test_b09_parallel_updates_merge_in_one_order(self, host: OrisHost, thread: str) -> None:
        """However long each branch takes."""
        dice = random.Random(9)

        def branch(name: str) -> Any:
            async def call(state: Log) -> dict[str, Any]:
                await asyncio.sleep(dice.random() / 200)
                return {"log": [name]}

            return call

        names = ["d", "a", "c", "b", "e"]
        graph = StateGraph(Log)
        for name in names:
            graph.add_node(name, branch(name)).add_edge(START, name).add_edge(name, END)
        compiled = graph.compile(name="ledger_b09")
        for i in range(100 if host.name == "in-process" else 10):
            done = await host.start(compiled, {"log": []}, f"{thread}-{i}")
            assert done.values == {"log": names}

    async def test_b23_goto_of_a_node_reroutes(self, host: OrisHost, thread: str) -> None:
        def a(state: Log) -> Command:
            return Command(update={"log": ["a"]}, goto="c")

        graph = add_sayers(StateGraph(Log).add_node("a", a), "b c")
        compiled = edges(graph, "START>a b>END c>END").compile(name="ledger_b23")

        assert (await host.start(compiled, {"log": []}, thread)).values == {"log": ["a", "c"]}

    async def test_b23_goto_from_outside_reroutes(self, host: OrisHost, thread: str) -> None:
        graph = edges(add_sayers(StateGraph(Log), "a b c"), "START>a a>b b>END c>END")
        graph.add_conditional_edges("a", lambda state: [], ["c"])
        compiled = graph.compile(name="ledger_b23_outside", interrupt_before=["b"])
        await host.start(compiled, {"log": []}, thread)

        done = await host.command(compiled, thread, Command(goto="c"))

        assert (done.status, done.values) == ("completed", {"log": ["a", "c"]})


class Conversation(TypedDict):
    messages: Annotated[list[Message], append_messages]
    turns: int


class Form(BaseModel):
    """Every field is required."""

    name: str
    age: int
    city: str


class TestState:
    async def test_b10_a_field_beside_messages_survives(self, host: OrisHost, thread: str) -> None:
        def talk(state: Conversation) -> dict[str, Any]:
            return {"messages": [Message.ai("hello")]}

        def count(state: Conversation) -> dict[str, Any]:
            return {"turns": state["turns"] + 1}

        graph = StateGraph(Conversation).add_node("talk", talk).add_node("count", count)
        compiled = edges(graph, "START>talk talk>count count>END").compile(name="ledger_b10")

        done = await host.start(compiled, {"messages": [{"role": "user", "content": "hi"}], "turns": 1}, thread)

        assert done.values["turns"] == 2
        assert texts(done.values) == ["hi", "hello"]

    async def test_b11_an_update_of_one_field_of_a_typed_state(self, host: OrisHost, thread: str) -> None:
        def birthday(state: Form) -> dict[str, Any]:
            return {"age": state.age + 1}

        graph = edges(StateGraph(Form).add_node("birthday", birthday), "START>birthday birthday>END")

        done = await host.start(graph.compile(name="ledger_b11"), {"name": "Ada", "age": 36, "city": "London"}, thread)

        assert done.values == {"name": "Ada", "age": 37, "city": "London"}

    async def test_b20_the_record_of_updates_ends_in_the_final_state(self, host: OrisHost, thread: str) -> None:
        """Merging what the history says was written gives what the run returned, the last node included."""
        graph = edges(add_sayers(StateGraph(Log), "a b c"), "START>a a>b a>c b>END c>END").compile(name="ledger_b20")
        done = await host.start(graph, {"log": ["in"]}, thread)

        log = ["in"]
        for _, update in done.updates:
            log += update["log"]

        assert log == done.values["log"] == ["in", "a", "b", "c"]

    async def test_b21_the_state_after_completion_is_the_final_one(self, host: OrisHost, thread: str) -> None:
        graph = review()
        await host.start(graph, "hello", thread)
        done = await host.resume(graph, thread, {"ok": True})

        snapshot = await host.state(graph, thread)

        assert snapshot.values == done.values
        assert (snapshot.next, snapshot.interrupts) == ([], [])

    async def test_b25_a_subgraph_needs_no_setup_and_doubles_nothing(self, host: OrisHost, thread: str) -> None:
        def reply(state: MessagesState) -> dict[str, Any]:
            return {"messages": [Message.ai("from the child")]}

        child = edges(StateGraph(MessagesState).add_node("reply", reply), "START>reply reply>END")
        graph = StateGraph(MessagesState).add_node("child", child.compile(name="ledger_b25_child"))
        compiled = edges(graph, "START>child child>END").compile(name="ledger_b25")

        assert texts((await host.start(compiled, "hi", thread)).values) == ["hi", "from the child"]

    async def test_b35_the_latest_checkpoint_is_the_newest(self, host: OrisHost, thread: str) -> None:
        graph = StateGraph(Log).add_node("work", says("turn")).add_edge(START, "work")
        graph.add_conditional_edges("work", lambda state: "work" if len(state["log"]) < 20 else END, ["work", END])
        compiled = graph.compile(name="ledger_b35")
        done = await host.start(compiled, {"log": []}, thread)

        history = await host.history(compiled, thread)

        assert (await host.state(compiled, thread)).checkpoint_id == history[0].checkpoint_id
        assert history[0].values == done.values
        assert [len(snapshot.values["log"]) for snapshot in history] == list(range(20, -1, -1))
        assert all(newer.created_at >= older.created_at for newer, older in itertools.pairwise(history))

    async def test_b37_a_fork_runs_from_the_alternate_state_and_is_kept(self, host: OrisHost, thread: str) -> None:
        def double(state: Log) -> dict[str, Any]:
            return {"n": state["n"] * 2}

        graph = add_sayers(StateGraph(Log).add_node("double", double), "a")
        compiled = edges(graph, "START>a a>double double>END").compile(name="ledger_b37")
        await host.start(compiled, {"log": [], "n": 1}, thread)
        after_a = (await host.history(compiled, thread))[1]

        fork, done = await host.fork(compiled, thread, after_a.checkpoint_id, {"n": 100})

        assert done.values == {"log": ["a"], "n": 200}
        assert (await host.state(compiled, fork)).values == {"log": ["a"], "n": 200}
        original = await host.state(compiled, thread, after_a.checkpoint_id)
        assert original.values == {"log": ["a"], "n": 1}


class TestConfig:
    async def test_b22_keys_of_the_user_reach_every_node(self, host: OrisHost, thread: str) -> None:
        def user(config: Any) -> list[str]:
            return [config["configurable"]["user_id"]]

        def activity(state: Log, config: RunnableConfig) -> dict[str, Any]:
            return {"log": user(config)}

        async def inside(state: Log, ctx: Context) -> dict[str, Any]:
            await ctx.interrupt("go on?")
            return {"log": user(ctx.config)}

        child = edges(StateGraph(ChildLog).add_node("child_node", activity), "START>child_node child_node>END")
        graph = StateGraph(Log).add_node("a", activity).add_node("b", inside)
        graph.add_node("child", child.compile(name="ledger_b22_child")).add_node("local", activity, run_as="local")
        compiled = edges(graph, "START>a a>b b>child child>local local>END").compile(name="ledger_b22")

        await host.start(compiled, {"log": []}, thread, Options(configurable={"user_id": "ada"}))
        done = await host.resume(compiled, thread, None)

        assert done.values == {"log": ["ada"] * 4}


class TestCompile:
    def test_b41_a_dead_end_is_named(self) -> None:
        graph = edges(add_sayers(StateGraph(Log), "a dead_end"), "START>a a>dead_end a>END")
        with pytest.raises(GraphCompileError, match="'dead_end'"):
            graph.compile(name="ledger_b41")

    def test_b41_an_unreachable_node_is_named(self) -> None:
        graph = edges(add_sayers(StateGraph(Log), "a island"), "START>a a>END island>END")
        with pytest.raises(GraphCompileError, match="'island'"):
            graph.compile(name="ledger_b41")

    def test_b41_a_loop_without_a_way_out_is_named(self) -> None:
        graph = edges(add_sayers(StateGraph(Log), "a b"), "START>a a>b b>a")
        with pytest.raises(GraphCompileError, match="'a', 'b'"):
            graph.compile(name="ledger_b41")


@tool
async def progress(runtime: Runtime) -> str:
    """Work, and say how far it is."""
    runtime.write("half")
    return "done"


class Marks(TypedDict):
    """What tools of B30 left."""

    marks: Annotated[list[str], operator.add]


@tool
async def mark(runtime: Runtime) -> Command:
    """Leave a mark."""
    return Command(update={"marks": [f"activity after {runtime.state['marks']}"]})


@tool(run_as="workflow")
async def mark_here(runtime: Runtime) -> Command:
    """Leave a mark."""
    return Command(update={"marks": [f"workflow after {runtime.state['marks']}"]})


class TestStream:
    async def test_b45_values_come_once_per_superstep(self, host: OrisHost, thread: str) -> None:
        """And once for the initial state (2.11)."""
        graph = edges(add_sayers(StateGraph(Log), "a b c"), "START>a a>b a>c b>END c>END").compile(name="ledger_b45")

        values = await host.stream(graph, {"log": []}, thread, "values")

        assert values == [{"log": []}, {"log": ["a"]}, {"log": ["a", "b", "c"]}]

    async def test_b26_nodes_tools_and_models_stream_in_order(self, host: OrisHost, thread: str) -> None:
        model = fake_model(slow("one two three four", between="150ms"))

        async def work(state: MessagesState, writer: StreamWriter) -> dict[str, Any]:
            writer("node")
            return {}

        async def talk(state: MessagesState, ctx: Context) -> dict[str, Any]:
            await ctx.tool(progress, {})
            answer = await ctx.llm(model, state["messages"])
            ctx.write("end")
            return {"messages": [answer]}

        graph = StateGraph(MessagesState).add_node("work", work).add_node("talk", talk).add_tools(progress)
        compiled = edges(graph, "START>work work>talk talk>END").compile(name="ledger_b26")

        streamed = await host.stream(compiled, {"messages": ["hello"]}, thread, ["custom", "messages"], live=True)

        shown = [item if isinstance(item, str) else item[0] for item in streamed]
        messages = [item for item in shown if not isinstance(item, str) and item["message_type"] == "ai"]
        tokens = "".join(item["content"] for item in messages if item.get("chunk"))
        assert tokens  # as they were written,
        assert "one two three four".startswith(tokens)
        assert [item["content"] for item in messages if not item.get("chunk")] == ["one two three four"]
        places = [shown.index("node"), shown.index("half"), shown.index(messages[0]), shown.index("end")]
        assert places == sorted(places)
        assert shown.index(messages[-1]) < shown.index("end")

    async def test_b27_a_resumed_run_streams_with_its_config_store_and_checkpoints(
        self, host: OrisHost, thread: str
    ) -> None:
        async def save(state: Log, store: Store, config: RunnableConfig) -> dict[str, Any]:
            await store.put(("log",), "last", state["log"])
            return {"log": [config["configurable"]["user_id"]]}

        async def ask(state: Log, ctx: Context) -> dict[str, Any]:
            return {"log": [await ctx.interrupt("go on?")]}

        async def load(state: Log, store: Store, config: RunnableConfig) -> dict[str, Any]:
            found = await store.get(("log",), "last")
            return {"answer": found and [*found.value, config["configurable"]["user_id"]]}

        graph = StateGraph(Log).add_node("save", save).add_node("ask", ask).add_node("load", load)
        compiled = edges(graph, "START>save save>ask ask>load load>END").compile(
            name="ledger_b27", store=InMemoryStore()
        )

        user = Options(configurable={"user_id": "ada"})
        first = await host.stream(compiled, {"log": ["x"]}, thread, "updates", user)
        assert first[0] == {"save": {"log": ["ada"]}}
        assert first[1]["__interrupt__"][0]["value"] == "go on?"
        second = await host.stream(compiled, Command(resume="yes"), thread, "updates")
        assert second == [{"ask": {"log": ["yes"]}}, {"load": {"answer": ["x", "ada"]}}]

        checkpoints = [snapshot.values["log"] for snapshot in await host.history(compiled, thread)]
        assert checkpoints == [["x", "ada", "yes"], ["x", "ada", "yes"], ["x", "ada"], ["x"]]


class TestTools:
    async def test_b30_the_next_step_sees_the_update_of_a_tool(self, host: OrisHost, thread: str) -> None:
        """Whether the tool is an activity or runs in the workflow, for the next model call and the next tool."""
        seen: list[str] = []

        class Watch(Middleware):
            async def before_model(self, state: Any, ctx: Context) -> None:
                seen.append(f"{state['messages'][-1].message_type} {state.get('marks')}")

            state_schema = Marks

        model = fake_model(ToolCall("c1", "mark", {}), ToolCall("c2", "mark_here", {}), "Done.")
        agent = create_agent(model, [mark, mark_here], middleware=[Watch()])
        done = await host.start(agent, {"messages": ["go"]}, thread)
        assert done.values["marks"] == ["activity after []", "workflow after ['activity after []']"]
        assert f"tool {done.values['marks'][:1]}" in seen
        assert f"tool {done.values['marks']}" in seen
