"""Agents that work together, on every host of ours."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from effects import note, ran
from hosts import Options, OrisHost
from pydantic import BaseModel
from states import Log

from oris_temporal import (
    END,
    START,
    CompiledGraph,
    InMemoryStore,
    Message,
    MessagesState,
    Runtime,
    StateGraph,
    ToolCall,
    create_agent,
    tool,
)
from oris_temporal.agents import HandoffMiddleware, agent_tool, create_handoffs, create_router, llm_node, task_tool
from oris_temporal.graph.errors import GraphCompileError, OrisError
from oris_temporal.models.fake import fail, fake_model


@pytest.fixture
def thread(host: OrisHost) -> str:
    return f"{host.name}-{uuid4().hex[:12]}"


@tool
async def look_up(what: str, runtime: Runtime) -> str:
    """Look something up."""
    note(runtime.config, f"look_up {what}")
    return f"{what} is a bird"


def says(values: Any) -> list[str]:
    return [message["content"] for message in values["messages"] if message["message_type"] in ("human", "ai")]


def researcher(**options: Any) -> CompiledGraph:
    model = fake_model(ToolCall("r1", "look_up", {"what": "stork"}), "A stork is a bird.", name="researcher")
    return create_agent(model, [look_up], name="researcher", **options)


def answering(name: str, *answers: str) -> CompiledGraph:
    return create_agent(fake_model(*answers, name=name), name=name)


class User(BaseModel):
    name: str


class TestAgentsAsTools:
    @pytest.mark.parametrize(
        ("script", "options", "why"),
        [
            ([fail("context_length"), "never"], {}, "helper.model: Scripted failure: context_length."),
            (["no", "no", "no"], {"response_format": User}, "the model gave no answer of the response format"),
        ],
    )
    async def test_what_its_conversation_fails_by_is_told(
        self, host: OrisHost, thread: str, script: list[Any], options: Any, why: str
    ) -> None:
        helper = create_agent(fake_model(*script, name="helper"), name="helper", **options)
        model = fake_model(ToolCall("c1", "helper", {"task": "?"}), "I see.", name="lead")
        lead = create_agent(model, [agent_tool(helper, description="Helps.")], name="lead")
        record = await host.start(lead, {"messages": ["go"]}, thread)
        told = record.values["messages"][2]
        assert (record.status, told["extra"]["is_error"]) == ("completed", True)
        assert told["content"].startswith("helper could not do it: ")
        assert why in told["content"]

    async def test_other_failures_end_the_run(self, host: OrisHost, thread: str) -> None:
        helper = create_agent(fake_model(fail("invalid_request"), "never", name="helper"), name="helper")
        model = fake_model(ToolCall("c1", "helper", {"task": "?"}), "I see.", name="lead")
        lead = create_agent(model, [agent_tool(helper, description="Helps.")], name="lead")
        record = await host.start(lead, {"messages": ["go"]}, thread)
        assert (record.status, record.error) == ("failed", "model")

    async def test_its_answer_is_the_tools_result_and_its_conversation_its_own(
        self, host: OrisHost, thread: str
    ) -> None:
        model = fake_model(ToolCall("c1", "researcher", {"task": "What is a stork?"}), "It is a bird.", name="writer")
        writer = create_agent(model, [agent_tool(researcher(), description="Finds facts.")], name="writer")
        record = await host.start(writer, {"messages": ["Write about storks."]}, thread)
        assert [message["content"] for message in record.values["messages"]] == [
            *("Write about storks.", "", "A stork is a bird.", "It is a bird.")
        ]

    async def test_b17_the_chosen_one_gets_the_task_as_it_was_written(self, host: OrisHost, thread: str) -> None:
        agents = {
            "optimist": (answering("optimist", "All is well."), "Sees the good."),
            "pessimist": (answering("pessimist", "All is lost."), "Sees the bad."),
        }
        model = fake_model(
            ToolCall("c1", "task", {"description": "And?", "subagent_type": "pessimist"}), "Hm.", name="lead"
        )
        record = await host.start(create_agent(model, [task_tool(agents)], name="lead"), {"messages": ["?"]}, thread)
        assert record.values["messages"][2]["content"] == "All is lost."

    async def test_several_at_once_in_the_order_of_the_calls(self, host: OrisHost, thread: str) -> None:
        agents = {name: (answering(name, f"{name} says"), name) for name in ("one", "two")}
        calls = [
            ToolCall(f"c{n}", "task", {"description": "?", "subagent_type": name})
            for n, name in enumerate(("two", "one"))
        ]
        model = fake_model(Message.ai("", calls), "Done.", name="lead")
        record = await host.start(create_agent(model, [task_tool(agents)], name="lead"), {"messages": ["?"]}, thread)
        assert [message["content"] for message in record.values["messages"]][2:4] == ["two says", "one says"]

    async def test_b33_its_question_is_the_threads_and_it_goes_on_inside(self, host: OrisHost, thread: str) -> None:
        model = fake_model(ToolCall("c1", "researcher", {"task": "What is a stork?"}), "It is a bird.", name="writer")
        inner = researcher(interrupt_on={"look_up": True})
        writer = create_agent(model, [agent_tool(inner, description="Finds facts.")], name="writer")
        waiting = await host.start(writer, {"messages": ["Write about storks."]}, thread)
        assert waiting.asks[0].value["action_requests"] == [{"name": "look_up", "args": {"what": "stork"}}]

        done = await host.resume(writer, thread, {"decisions": [{"type": "approve"}]})

        assert says(done.values)[-1] == "It is a bird."
        assert ran[thread, "look_up stork"] == 1

    def test_a_graph_without_messages_is_refused(self) -> None:
        graph = StateGraph(Log).add_node("a", lambda state: {}).add_edge(START, "a").add_edge("a", END)
        compiled = graph.compile(name="log")
        with pytest.raises(GraphCompileError, match="messages"):
            agent_tool(compiled, description="x")


class TestWhatTheyUse:
    @pytest.mark.parametrize("run_as", ["inline", "child_workflow"])
    async def test_a_subgraph_counts_for_the_run(self, host: OrisHost, thread: str, run_as: Any) -> None:
        inner = researcher()
        graph = StateGraph(MessagesState).add_subgraph("inner", inner, run_as=run_as)
        graph.add_node("say", llm_node(fake_model("It is.", name="outer")))
        graph.add_edge(START, "inner").add_edge("inner", "say").add_edge("say", END)
        record = await host.start(graph.compile(name="outer"), {"messages": ["Storks?"]}, thread)
        assert {name: used.calls for name, used in record.usage.items()} == {"fake:researcher": 2, "fake:outer": 1}

    async def test_an_agent_as_a_tool_counts_for_its_caller(self, host: OrisHost, thread: str) -> None:
        model = fake_model(ToolCall("c1", "researcher", {"task": "?"}), "It is a bird.", name="writer")
        writer = create_agent(model, [agent_tool(researcher(), description="Finds facts.")], name="writer")
        record = await host.start(writer, {"messages": ["Storks?"]}, thread)
        assert {name: used.calls for name, used in record.usage.items()} == {"fake:writer": 2, "fake:researcher": 2}


class TestHandoffs:
    def graph(self) -> CompiledGraph:
        desk = fake_model(ToolCall("h1", "transfer_to_billing", {}), "Back at the desk.", name="desk")
        billing = fake_model("Billing here.", "Still billing.", ToolCall("h2", "transfer_to_desk", {}), name="billing")
        return create_handoffs(
            {
                "desk": create_agent(desk, name="desk", middleware=[HandoffMiddleware({"billing": "About bills."})]),
                "billing": create_agent(
                    billing, name="billing", middleware=[HandoffMiddleware({"desk": "Everything else."})]
                ),
            },
            default="desk",
        )

    async def test_b29_who_was_passed_the_conversation_has_it_in_the_next_turn(
        self, host: OrisHost, thread: str
    ) -> None:
        graph = self.graph()
        first = await host.start(graph, {"messages": ["My bill?"]}, thread)
        assert (says(first.values)[-1], first.values["active_agent"]) == ("Billing here.", "billing")
        second = await host.start(graph, {"messages": ["Sure?"]}, thread)
        assert (says(second.values)[-1], second.values["active_agent"]) == ("Still billing.", "billing")
        third = await host.start(graph, {"messages": ["And my parcel?"]}, thread)
        assert (says(third.values)[-1], third.values["active_agent"]) == ("Back at the desk.", "desk")

    async def test_of_two_in_one_turn_the_last_gets_it(self, host: OrisHost, thread: str) -> None:
        calls = [ToolCall("h1", "transfer_to_a", {}), ToolCall("h2", "transfer_to_b", {})]
        desk = fake_model(Message.ai("", calls), name="desk")
        middleware = [HandoffMiddleware({"a": "First.", "b": "Second."})]
        graph = create_handoffs(
            {
                "desk": create_agent(desk, name="desk", middleware=middleware),
                **{
                    name: create_agent(
                        fake_model(f"{name} here.", name=name),
                        name=name,
                        middleware=[HandoffMiddleware({"desk": "Back."})],
                    )
                    for name in ("a", "b")
                },
            },
            default="desk",
        )
        record = await host.start(graph, {"messages": ["Hi"]}, thread)
        assert (says(record.values)[-1], record.values["active_agent"]) == ("b here.", "b")

    def test_passing_to_nobody_is_refused(self) -> None:
        lost = create_agent(fake_model("x"), name="a", middleware=[HandoffMiddleware({"nobody": "?"})])
        with pytest.raises(GraphCompileError, match="nobody"):
            create_handoffs({"a": lost, "b": lost}, default="a")


@tool
async def visit(runtime: Runtime[User]) -> str:
    """Count the visits of whoever asks."""
    assert runtime.store is not None
    place = ("users", runtime.context["name"])
    known = await runtime.store.get(place, "visits")
    count = known.value + 1 if known else 1
    await runtime.store.put(place, "visits", count)
    return f"{runtime.context['name']} {count}"


class TestOptions:
    """What graphs of several agents take as single agents do."""

    def agents(self) -> dict[str, CompiledGraph]:
        desk = fake_model(ToolCall("d1", "transfer_to_counter", {}), name="desk")
        counter = fake_model(ToolCall("v1", "visit", {}), "Counted.", ToolCall("v2", "visit", {}), name="counter")
        return {
            "desk": create_agent(desk, name="desk", middleware=[HandoffMiddleware({"counter": "Counts."})]),
            "counter": create_agent(
                counter, [visit], name="counter", middleware=[HandoffMiddleware({"desk": "The rest."})]
            ),
        }

    def graph(self, kind: str, **options: Any) -> CompiledGraph:
        agents = self.agents()
        if kind == "handoffs":
            return create_handoffs(agents, default="desk", **options)
        return create_router(
            {"counter": (agents["counter"], "Counts."), "other": (answering("other", "Yes?"), "The rest.")},
            keywords={"counter": ["count"]},
            **options,
        )

    @pytest.mark.parametrize("kind", ["handoffs", "router"])
    async def test_store_and_context_reach_the_tools_of_their_agents(
        self, host: OrisHost, thread: str, kind: str
    ) -> None:
        store = InMemoryStore()
        graph = self.graph(kind, store=store, context_schema=User)
        record = await host.start(graph, {"messages": ["count"]}, thread, Options(context={"name": "ada"}))
        assert record.status == "completed", record.message
        found = await store.get(("users", "ada"), "visits")
        assert found is not None
        assert found.value == 1
        with pytest.raises(OrisError, match="context"):
            await graph.invoke("count", context={"name": 7})

    @pytest.mark.parametrize("kind", ["handoffs", "router"])
    async def test_limits_count_what_their_agents_use(self, host: OrisHost, thread: str, kind: str) -> None:
        graph = self.graph(kind, store=InMemoryStore(), limits={"max_turns": 1})
        record = await host.start(graph, {"messages": ["count"]}, thread, Options(context={"name": "ada"}))
        assert (record.status, record.error) == ("failed", "budget_exceeded")
        assert "max_turns is 1" in record.message


class TestRouter:
    def agents(self) -> dict[str, tuple[CompiledGraph, str]]:
        return {
            "birds": (answering("birds", "Storks fly."), "Birds."),
            "trees": (answering("trees", "Oaks stand."), "Trees."),
        }

    async def test_by_keywords(self, host: OrisHost, thread: str) -> None:
        router = create_router(self.agents(), keywords={"birds": ["stork"], "trees": ["oak"]})
        record = await host.start(router, {"messages": ["Tell me about OAKS"]}, thread)
        assert says(record.values) == ["Tell me about OAKS", "Oaks stand."]

    async def test_a_keyword_inside_a_word_is_none(self, host: OrisHost, thread: str) -> None:
        router = create_router(self.agents(), keywords={"birds": ["oak"]}, default="trees")
        record = await host.start(router, {"messages": ["Why do frogs croak?"]}, thread)
        assert says(record.values)[-1] == "Oaks stand."

    async def test_the_next_turn_goes_on_with_the_conversation(self, host: OrisHost, thread: str) -> None:
        agents = {"birds": (answering("birds", "Storks fly.", "They migrate."), "Birds.")}
        router = create_router(agents, keywords={"birds": ["stork"]}, default="birds")
        await host.start(router, {"messages": ["Storks?"]}, thread)
        record = await host.start(router, {"messages": ["In winter?"]}, thread)
        assert says(record.values) == ["Storks?", "Storks fly.", "In winter?", "They migrate."]
        assert record.values["answers"] == [{"agent": "birds", "answer": "They migrate."}]

    async def test_by_a_model(self, host: OrisHost, thread: str) -> None:
        model = fake_model({"routes": [{"agent": "trees", "question": "What is an oak?"}]}, name="chooser")
        record = await host.start(create_router(self.agents(), model=model), {"messages": ["oak?"]}, thread)
        assert says(record.values)[-1] == "Oaks stand."
        assert record.values["answers"] == [{"agent": "trees", "answer": "Oaks stand."}]

    async def test_several_side_by_side_with_one_answer(self, host: OrisHost, thread: str) -> None:
        routes = [{"agent": "birds", "question": "storks?"}, {"agent": "trees", "question": "oaks?"}]
        router = create_router(
            self.agents(),
            model=fake_model({"routes": routes}, name="chooser"),
            synthesizer=fake_model("Storks fly and oaks stand.", name="joiner"),
            parallel=True,
        )
        record = await host.start(router, {"messages": ["Both?"]}, thread)
        assert says(record.values)[-1] == "Storks fly and oaks stand."
        assert [item["agent"] for item in record.values["answers"]] == ["birds", "trees"]

    async def test_nobody_and_a_default(self, host: OrisHost, thread: str) -> None:
        keywords = {"birds": ["stork"]}
        record = await host.start(
            create_router(self.agents(), keywords=keywords, default="trees"), {"messages": ["?"]}, thread
        )
        assert says(record.values)[-1] == "Oaks stand."
        failed = await host.start(
            create_router(self.agents(), keywords=keywords, name="strict"), {"messages": ["?"]}, f"{thread}-2"
        )
        assert (failed.status, failed.error) == ("failed", "structured_output")
