"""Agents made by `create_agent`, on every host of ours."""

from __future__ import annotations

import asyncio
import json
import operator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TypedDict
from uuid import uuid4

import pytest
from agent_tools import call, delete, look_up, texts
from effects import note, ran
from hosts import OrisHost
from pydantic import BaseModel

from oris_temporal import (
    END,
    START,
    Command,
    CompiledGraph,
    Message,
    MessagesState,
    Runtime,
    StateGraph,
    ToolCall,
    tool,
)
from oris_temporal.agents import (
    HandoffMiddleware,
    HumanInTheLoopMiddleware,
    Middleware,
    ModelCall,
    PIIMiddleware,
    ProviderStrategy,
    SummarizationMiddleware,
    ToolRequest,
    ToolResultEvictionMiddleware,
    ToolStrategy,
    activity_hook,
    agent_tool,
    create_agent,
    create_handoffs,
)
from oris_temporal.graph.errors import GraphCompileError, OrisError
from oris_temporal.models.fake import fake_model
from oris_temporal.tools import ToolResultEviction


@pytest.fixture
def thread(host: OrisHost) -> str:
    return f"{host.name}-{uuid4().hex[:12]}"


class Answer(BaseModel):
    bird: str
    legs: int


class Refusal(BaseModel):
    why: str


class Excuse(BaseModel):
    why: str


class TestTheLoop:
    async def test_tools_are_called_until_the_model_answers(self, host: OrisHost, thread: str) -> None:
        model = fake_model(
            Message.ai("", [call(1, "look_up", what="stork"), call(2, "look_up", what="heron")]), "Both are birds."
        )
        record = await host.start(create_agent(model, [look_up]), {"messages": ["What are they?"]}, thread)

        assert record.status == "completed"
        assert texts(record.values) == [
            ("human", "What are they?"),
            ("ai", ""),
            ("tool", "stork is a bird"),
            ("tool", "heron is a bird"),
            ("ai", "Both are birds."),
        ]
        assert record.values["turns"] == 2

    async def test_calls_are_made_one_after_the_other_if_the_model_may_make_one_at_a_time(
        self, host: OrisHost, thread: str
    ) -> None:
        @tool
        async def step(number: int, runtime: Runtime) -> str:
            """Take a step, and say how many others are being taken."""
            note(runtime.config, "begun")
            await asyncio.sleep(0.01)
            others = ran[runtime.thread_id, "begun"] - ran[runtime.thread_id, "ended"] - 1
            note(runtime.config, "ended")
            return f"{number}, {others} others"

        calls = Message.ai("", [call(n, "step", number=n) for n in range(3)])
        agent = create_agent(fake_model(calls, "Done."), [step], parallel_tool_calls=False)
        record = await host.start(agent, {"messages": ["Go."]}, thread)
        assert [text for kind, text in texts(record.values) if kind == "tool"] == [f"{n}, 0 others" for n in range(3)]

    async def test_a_model_without_tools(self, host: OrisHost, thread: str) -> None:
        record = await host.start(create_agent(fake_model("Hello.")), {"messages": ["Hi"]}, thread)
        assert texts(record.values) == [("human", "Hi"), ("ai", "Hello.")]

    async def test_b39_a_model_that_goes_on_for_ever_meets_a_typed_limit(self, host: OrisHost, thread: str) -> None:
        model = fake_model(*(call(number, "look_up", what="x") for number in range(9)), "never")
        record = await host.start(create_agent(model, [look_up], limits={"max_turns": 3}), {"messages": ["go"]}, thread)
        assert (record.status, record.error) == ("failed", "budget_exceeded")
        assert "max_turns is 3" in record.message

    async def test_a_call_that_was_left_without_answer_is_answered_for_the_model(
        self, host: OrisHost, thread: str
    ) -> None:
        seen: list[list[str]] = []
        said = [Message.ai("", [call(1, "look_up", what="x")]), Message.human("never mind")]
        agent = create_agent(fake_model("unused", "Fine."), [look_up], middleware=[Watch(seen)])
        record = await host.start(agent, {"messages": said}, thread)
        assert record.values["messages"][-1]["content"] == "Fine."
        assert ["ai:", "tool:This call was not made.", "human:never mind"] in seen


class TestMemory:
    async def test_b16_the_second_turn_sees_the_first(self, host: OrisHost, thread: str) -> None:
        seen: list[list[str]] = []
        agent = create_agent(fake_model("Hello Ada.", "You are Ada."), middleware=[Watch(seen)])
        await host.start(agent, {"messages": ["I am Ada."]}, thread)
        second = await host.start(agent, {"messages": ["Who am I?"]}, thread)
        assert [text for _, text in texts(second.values)] == ["I am Ada.", "Hello Ada.", "Who am I?", "You are Ada."]
        assert ["human:I am Ada.", "ai:Hello Ada.", "human:Who am I?"] in seen  # replays see it again
        assert second.values["turns"] == 1

    async def test_going_on_while_a_person_was_asked(self, host: OrisHost, thread: str) -> None:
        model = fake_model(call(1, "delete", path="a"), "As you wish.")
        agent = create_agent(model, [delete], interrupt_on={"delete": True})
        await host.start(agent, {"messages": ["delete a"]}, thread)
        second = await host.start(agent, {"messages": ["never mind"]}, thread)
        assert [text for _, text in texts(second.values)] == ["delete a", "", "never mind", "As you wish."]
        assert ran[thread, "delete a"] == 0


class Watch(Middleware):
    """Notes what the model is sent."""

    def __init__(self, seen: list[list[str]]) -> None:
        self.seen = seen

    async def wrap_model_call(self, call: ModelCall, handler: Any) -> Message:
        self.seen.append([f"{message.message_type}:{message.content}" for message in call.messages])
        return await handler(call)


class WatchCalls(Middleware):
    """Notes the tool calls in what the model is sent."""

    def __init__(self, seen: list[list[Any]]) -> None:
        self.seen = seen

    async def wrap_model_call(self, call: ModelCall, handler: Any) -> Message:
        self.seen.append([ToolCall.from_wire(item) for message in call.messages for item in message.tool_calls or []])
        return await handler(call)


class TestAPersonLooksAtToolCalls:
    def agent(self, *decide: str, **options: Any) -> Any:
        model = fake_model(Message.ai("", [call(1, "look_up", what="stork"), call(2, "delete", path="a.txt")]), "Done.")
        allowed = {"allowed_decisions": decide} if decide else True
        return create_agent(
            model, [look_up, delete], middleware=[HumanInTheLoopMiddleware({"delete": allowed}, **options)]
        )

    async def test_only_gated_calls_are_asked_about(self, host: OrisHost, thread: str) -> None:
        waiting = await host.start(self.agent(), {"messages": ["clean up"]}, thread)
        assert waiting.status == "interrupted"
        assert [ask.value for ask in waiting.asks] == [
            {
                "action_requests": [{"name": "delete", "args": {"path": "a.txt"}}],
                "review_configs": [{"action_name": "delete", "allowed_decisions": ["approve", "edit", "reject"]}],
            }
        ]

    async def test_b3_b4_approved_calls_and_those_beside_them_are_made_once(self, host: OrisHost, thread: str) -> None:
        agent = self.agent()
        await host.start(agent, {"messages": ["clean up"]}, thread)
        done = await host.resume(agent, thread, {"decisions": [{"type": "approve"}]})
        assert done.status == "completed"
        assert [text for _, text in texts(done.values)][2:] == ["stork is a bird", "a.txt is gone", "Done."]
        assert (ran[thread, "look_up stork"], ran[thread, "delete a.txt"]) == (1, 1)

    async def test_edited(self, host: OrisHost, thread: str) -> None:
        agent = self.agent()
        await host.start(agent, {"messages": ["clean up"]}, thread)
        edited = {"type": "edit", "edited_action": {"name": "delete", "args": {"path": "b.txt"}}}
        done = await host.resume(agent, thread, {"decisions": [edited]})
        assert done.values["messages"][3]["content"] == "b.txt is gone"
        assert ran[thread, "delete a.txt"] == 0

    @pytest.mark.parametrize("id", [None, "answer-1"])
    async def test_the_model_sees_what_was_edited(self, host: OrisHost, thread: str, id: str | None) -> None:
        seen: list[list[Any]] = []
        asked = [call(1, "look_up", what="stork"), call(2, "delete", path="a.txt"), call(3, "delete", path="c.txt")]
        agent = create_agent(
            fake_model(Message.ai("", asked, id=id), "Done."),
            [look_up, delete],
            interrupt_on={"delete": True},
            middleware=[WatchCalls(seen)],
        )
        await host.start(agent, {"messages": ["clean up"]}, thread)
        edited = {"type": "edit", "edited_action": {"name": "delete", "args": {"path": "b.txt"}}}
        done = await host.resume(agent, thread, {"decisions": [edited, {"type": "approve"}]})
        calls = [ToolCall.from_wire(item) for item in done.values["messages"][1]["tool_calls"]]
        assert calls == [asked[0], call(2, "delete", path="b.txt"), asked[2]]
        assert [text for _, text in texts(done.values)] == [
            *("clean up", "", "stork is a bird", "b.txt is gone", "c.txt is gone", "Done.")
        ]
        assert seen[-1] == calls

    async def test_rejected_with_a_reason(self, host: OrisHost, thread: str) -> None:
        agent = self.agent()
        await host.start(agent, {"messages": ["clean up"]}, thread)
        done = await host.resume(agent, thread, {"decisions": [{"type": "reject", "message": "we need it"}]})
        told = done.values["messages"][3]
        assert told["content"] == "A person rejected this call of delete: we need it"
        assert told["extra"]["is_error"] is True
        assert ran[thread, "delete a.txt"] == 0

    async def test_answered_in_place_of_the_tool(self, host: OrisHost, thread: str) -> None:
        agent = self.agent("respond")
        await host.start(agent, {"messages": ["clean up"]}, thread)
        done = await host.resume(agent, thread, {"decisions": [{"type": "respond", "message": "it was gone"}]})
        assert done.values["messages"][3]["content"] == "it was gone"

    @pytest.mark.parametrize(
        ("answer", "told"),
        [
            ({"decisions": [{"type": "respond", "message": "x"}]}, "'respond' is not allowed"),
            ({"decisions": []}, "one decision for each action is needed: 1, not 0"),
            ({"decisions": [{"type": "edit", "edited_action": {"name": "look_up", "args": {}}}]}, "not the tool"),
            (
                {"decisions": [{"type": "edit", "edited_action": {"name": "delete", "args": {"path": 5}}}]},
                "arguments of tool delete do not fit: path",
            ),
            ({"decisions": [{"type": "shrug"}]}, "shrug"),
            ("yes", "Decisions"),
        ],
    )
    async def test_b5_what_is_not_allowed_never_reaches_the_run(
        self, host: OrisHost, thread: str, answer: Any, told: str
    ) -> None:
        agent = self.agent()
        await host.start(agent, {"messages": ["clean up"]}, thread)
        with pytest.raises(OrisError, match=told) as refused:
            await host.resume(agent, thread, answer)
        assert "Value error" not in str(refused.value)  # how Pydantic says it is nothing to people
        done = await host.resume(agent, thread, {"decisions": [{"type": "approve"}]})
        assert done.status == "completed"

    async def test_b34_a_second_question_is_a_question_again(self, host: OrisHost, thread: str) -> None:
        model = fake_model(call(1, "delete", path="a"), call(2, "delete", path="b"), "Done.")
        agent = create_agent(model, [delete], interrupt_on={"delete": True})
        await host.start(agent, {"messages": ["clean up"]}, thread)
        second = await host.resume(agent, thread, {"decisions": [{"type": "approve"}]})
        assert second.status == "interrupted"
        assert second.asks[0].value["action_requests"] == [{"name": "delete", "args": {"path": "b"}}]
        done = await host.resume(agent, thread, {"decisions": [{"type": "approve"}]})
        assert (ran[thread, "delete a"], ran[thread, "delete b"], done.status) == (1, 1, "completed")

    async def test_an_agent_as_a_subgraph_asks_through_its_parent(self, host: OrisHost, thread: str) -> None:
        graph = StateGraph(Chat).add_node("helper", self.agent()).add_edge(START, "helper").add_edge("helper", END)
        parent = graph.compile(name="parent")
        waiting = await host.start(parent, {"messages": ["clean up"]}, thread)
        assert waiting.asks[0].value["action_requests"][0]["name"] == "delete"
        done = await host.resume(parent, thread, {"decisions": [{"type": "approve"}]})
        assert done.values["messages"][-1]["content"] == "Done."
        assert (ran[thread, "look_up stork"], ran[thread, "delete a.txt"]) == (1, 1)

    def test_a_name_that_no_tool_has_is_refused(self) -> None:
        with pytest.raises(
            GraphCompileError, match=r"interrupt_on\['delte'\]: there is no such tool, only look_up, delete"
        ):
            create_agent(fake_model("x"), [look_up, delete], interrupt_on={"delte": True})

    async def test_edits_are_checked_in_subagents_too(self, host: OrisHost, thread: str) -> None:
        lead = create_agent(
            fake_model(call(3, "agent", task="clean up"), "Good.", name="lead"),
            [agent_tool(self.agent(), description="Cleans up.")],
            name="lead",
        )
        await host.start(lead, {"messages": ["go"]}, thread)
        with pytest.raises(OrisError, match="arguments of tool delete do not fit: path"):
            await host.resume(
                lead, thread, {"decisions": [{"type": "edit", "edited_action": {"name": "delete", "args": {}}}]}
            )
        done = await host.resume(lead, thread, {"decisions": [{"type": "approve"}]})
        assert (done.values["messages"][-1]["content"], ran[thread, "delete a.txt"]) == ("Good.", 1)

    @pytest.mark.parametrize("id", [None, "answer-1"])
    async def test_an_edit_in_a_subgraph_of_a_conversation_that_only_grows(
        self, host: OrisHost, thread: str, id: str | None
    ) -> None:
        model = fake_model(Message.ai("", [call(1, "delete", path="a")], id=id), "Done.")
        parent = in_conversation(create_agent(model, [delete], interrupt_on={"delete": True}))
        await host.start(parent, {"messages": ["clean up"]}, thread)
        edited = {"type": "edit", "edited_action": {"name": "delete", "args": {"path": "b"}}}
        done = await host.resume(parent, thread, {"decisions": [edited]})
        assert [text for _, text in texts(done.values)] == ["clean up", "", "b is gone", "Done."]
        assert ToolCall.from_wire(done.values["messages"][1]["tool_calls"][0]).args == {"path": "b"}

    @pytest.mark.parametrize("depth", [1, 2])
    async def test_edits_are_checked_in_runs_of_their_own_too(self, host: OrisHost, thread: str, depth: int) -> None:
        graph = self.agent()
        for level in range(depth):
            outer = StateGraph(Chat).add_subgraph("helper", graph, run_as="child_workflow")
            graph = outer.add_edge(START, "helper").add_edge("helper", END).compile(name=f"parent{level}")
        await host.start(graph, {"messages": ["clean up"]}, thread)
        edit = {"type": "edit", "edited_action": {"name": "delete", "args": {"route": "b.txt"}}}
        with pytest.raises(OrisError, match="arguments of tool delete do not fit: path"):
            await host.resume(graph, thread, {"decisions": [edit]})
        edit["edited_action"] = {"name": "delete", "args": {"path": "b.txt"}}
        done = await host.resume(graph, thread, {"decisions": [edit]})
        assert (done.status, done.values["messages"][-1]["content"]) == ("completed", "Done.")

    async def test_edits_below_runs_of_their_own_are_told_the_model(self, host: OrisHost, thread: str) -> None:
        lead = create_agent(
            fake_model(call(3, "agent", task="clean up"), "Good.", name="lead"),
            [agent_tool(self.agent(), description="Cleans up.")],
            name="lead",
        )
        outer = StateGraph(Chat).add_subgraph("helper", lead, run_as="child_workflow")
        graph = outer.add_edge(START, "helper").add_edge("helper", END).compile(name="parent")
        await host.start(graph, {"messages": ["go"]}, thread)
        edit = {"type": "edit", "edited_action": {"name": "delete", "args": {"route": "b.txt"}}}
        try:
            done = await host.resume(graph, thread, {"decisions": [edit]})
        except OrisError:  # in this process all is known
            done = await host.resume(graph, thread, {"decisions": [{"type": "approve"}]})
        assert (done.status, done.values["messages"][-1]["content"]) == ("completed", "Good.")

    async def test_a_call_that_cannot_be_made_is_told_the_model_and_nobody_asked(
        self, host: OrisHost, thread: str
    ) -> None:
        model = fake_model(call(1, "delete", route="a"), "I see.")
        record = await host.start(create_agent(model, [delete], interrupt_on=True), {"messages": ["clean up"]}, thread)
        assert record.status == "completed"
        assert "do not fit" in record.values["messages"][2]["content"]


class TestAPersonLooksAtAnswers:
    def agent(self, *script: Any, **options: Any) -> Any:
        gate = HumanInTheLoopMiddleware(final_answer={"allowed_decisions": ["approve", "edit", "reject", "respond"]})
        return create_agent(fake_model(*script), [look_up], middleware=[gate], **options)

    async def test_before_the_agent_ends(self, host: OrisHost, thread: str) -> None:
        agent = self.agent(call(1, "look_up", what="stork"), "A stork is a bird.")
        waiting = await host.start(agent, {"messages": ["What is it?"]}, thread)
        assert [ask.value for ask in waiting.asks] == [
            {
                "action_requests": [{"name": "final_answer", "args": {"content": "A stork is a bird."}}],
                "review_configs": [
                    {"action_name": "final_answer", "allowed_decisions": ["approve", "edit", "reject", "respond"]}
                ],
            }
        ]
        done = await host.resume(agent, thread, {"decisions": [{"type": "approve"}]})
        assert (done.status, texts(done.values)[-1]) == ("completed", ("ai", "A stork is a bird."))

    @pytest.mark.parametrize(
        "decision",
        [
            {"type": "edit", "edited_action": {"name": "final_answer", "args": {"content": "A big bird."}}},
            {"type": "respond", "message": "A big bird."},
        ],
    )
    async def test_another_answer_takes_its_place(self, host: OrisHost, thread: str, decision: Any) -> None:
        agent = self.agent("A bird.")
        await host.start(agent, {"messages": ["What is it?"]}, thread)
        done = await host.resume(agent, thread, {"decisions": [decision]})
        assert texts(done.values) == [("human", "What is it?"), ("ai", "A big bird.")]

    async def test_rejected_it_goes_back_to_the_model(self, host: OrisHost, thread: str) -> None:
        agent = self.agent("A plane.", "A bird.")
        await host.start(agent, {"messages": ["What is it?"]}, thread)
        again = await host.resume(agent, thread, {"decisions": [{"type": "reject", "message": "look closer"}]})
        assert again.asks[0].value["action_requests"][0]["args"] == {"content": "A bird."}
        done = await host.resume(agent, thread, {"decisions": [{"type": "approve"}]})
        assert [text for _, text in texts(done.values)] == [
            *("What is it?", "A plane.", "A person rejected this answer: look closer", "A bird.")
        ]

    async def test_an_edit_that_is_no_answer_never_reaches_the_run(self, host: OrisHost, thread: str) -> None:
        agent = self.agent("A bird.")
        await host.start(agent, {"messages": ["What is it?"]}, thread)
        edit = {"type": "edit", "edited_action": {"name": "final_answer", "args": {"text": "A big bird."}}}
        with pytest.raises(OrisError, match="an edited answer is"):
            await host.resume(agent, thread, {"decisions": [edit]})

    @pytest.mark.parametrize("by_tool", [False, True])
    async def test_a_structured_answer(self, host: OrisHost, thread: str, by_tool: bool) -> None:
        said: dict[str, Any] = {"bird": "stork", "legs": 3}
        agent = self.agent(
            call(1, "Answer", **said) if by_tool else said, response_format=ToolStrategy(Answer) if by_tool else Answer
        )
        waiting = await host.start(agent, {"messages": ["What is it?"]}, thread)
        action = waiting.asks[0].value["action_requests"][0]
        mended = {"bird": "stork", "legs": 2}
        action["args"] = mended if by_tool else {"content": json.dumps(mended)}
        done = await host.resume(agent, thread, {"decisions": [{"type": "edit", "edited_action": action}]})
        assert (done.status, done.values["structured_response"]) == ("completed", mended)

    async def test_watchers_see_it_when_it_was_decided(self, host: OrisHost, thread: str) -> None:
        agent = self.agent(call(1, "look_up", what="stork"), "A bird.")
        shown = await host.stream(agent, {"messages": ["What is it?"]}, thread, "messages")
        assert [message["content"] for message, _ in shown] == ["", "stork is a bird"]
        answer = Command(resume={"decisions": [{"type": "respond", "message": "A big bird."}]})
        shown = await host.stream(agent, answer, thread, "messages")
        assert [message["content"] for message, _ in shown] == ["A big bird."]


class TestStructuredOutput:
    @pytest.mark.parametrize("strategy", [Answer, ProviderStrategy(Answer)], ids=["auto", "provider"])
    async def test_b28_by_the_provider_again_if_it_does_not_fit(
        self, host: OrisHost, thread: str, strategy: Any
    ) -> None:
        model = fake_model("two legs, I think", Answer(bird="stork", legs=2))
        record = await host.start(create_agent(model, response_format=strategy), {"messages": ["?"]}, thread)
        assert record.values["structured_response"] == {"bird": "stork", "legs": 2}
        assert "Your answer is no Answer" in record.values["messages"][2]["content"]

    async def test_by_a_tool(self, host: OrisHost, thread: str) -> None:
        model = fake_model(
            call(1, "look_up", what="stork"),
            call(2, "Answer", bird="stork", legs="many"),
            call(3, "Answer", bird="stork", legs=2),
        )
        agent = create_agent(model, [look_up], response_format=ToolStrategy(Answer))
        record = await host.start(agent, {"messages": ["?"]}, thread)
        assert record.values["structured_response"] == {"bird": "stork", "legs": 2}
        assert [text for kind, text in texts(record.values) if kind == "tool"][1].startswith("This is no Answer: legs")

    async def test_a_model_that_does_not_manage_fails_the_run(self, host: OrisHost, thread: str) -> None:
        agent = create_agent(fake_model(*["no"] * 5), response_format=ProviderStrategy(Answer, max_retries=1))
        record = await host.start(agent, {"messages": ["?"]}, thread)
        assert (record.status, record.error) == ("failed", "structured_output")
        assert "2 attempts" in record.message

    @pytest.mark.parametrize(("name", "args"), [("Answer", {"bird": "stork", "legs": 2}), ("Refusal", {"why": "none"})])
    async def test_of_several_types_the_model_chooses(
        self, host: OrisHost, thread: str, name: str, args: dict[str, Any]
    ) -> None:
        agent = create_agent(fake_model(call(1, name, **args)), response_format=Answer | Refusal)
        record = await host.start(agent, {"messages": ["?"]}, thread)
        assert record.values["structured_response"] == args
        state = agent.schema.view(agent.schema.decode(record.values, "test"))
        assert type(state["structured_response"]).__name__ == name

    async def test_types_that_json_does_not_tell_apart(self, host: OrisHost, thread: str) -> None:
        agent = create_agent(fake_model(call(1, "Excuse", why="none")), response_format=Refusal | Excuse)
        record = await host.start(agent, {"messages": ["?"]}, thread)
        assert (record.status, record.error) == ("failed", "structured_output")
        assert "an answer of type Excuse reads as Refusal as well" in record.message

    async def test_the_answer_is_an_instance(self) -> None:
        result = await create_agent(fake_model(Answer(bird="stork", legs=2)), response_format=Answer).invoke("?")
        assert result.state["structured_response"] == Answer(bird="stork", legs=2)


def in_conversation(agent: CompiledGraph) -> CompiledGraph:
    """An agent in a graph whose conversation only grows."""
    graph = StateGraph(MessagesState).add_node("agent", agent).add_edge(START, "agent").add_edge("agent", END)
    return graph.compile(name="conversation")


class TestInAConversationThatOnlyGrows:
    async def test_what_it_makes_of_what_was_said_stays_with_the_agent(self, host: OrisHost, thread: str) -> None:
        seen: list[list[str]] = []
        summing = SummarizationMiddleware(fake_model("Short.", name="writer"), max_messages=5, keep=2)
        model = fake_model(call(1, "look_up", what="stork"), "It is a bird.")
        agent = create_agent(model, [look_up], middleware=[PIIMiddleware(), summing, Watch(seen)])
        said = [*"abcdef", "I am ann@example.com. What is it?"]
        done = await host.start(in_conversation(agent), {"messages": said}, thread)
        assert [text for _, text in texts(done.values)] == [*said, "", "stork is a bird", "It is a bird."]
        assert seen[0][0].startswith("human:The conversation so far")
        assert seen[0][-1] == "human:I am [REDACTED_EMAIL]. What is it?"

    async def test_agents_that_hand_over(self, host: OrisHost, thread: str) -> None:
        def agent(name: str, other: str, *script: Any) -> CompiledGraph:
            middleware = [HandoffMiddleware({other: "The rest."}), PIIMiddleware()]
            return create_agent(fake_model(*script, name=name), name=name, middleware=middleware)

        agents = {"a": agent("a", "b", call(1, "transfer_to_b")), "b": agent("b", "a", "Hello.", "Bye.")}
        graph = create_handoffs(agents, default="a")
        await host.start(graph, {"messages": ["I am ann@example.com."]}, thread)
        done = await host.start(graph, {"messages": ["Bye."]}, thread)
        assert [text for kind, text in texts(done.values) if kind != "tool"] == [
            *("I am [REDACTED_EMAIL].", "", "Hello.", "Bye.", "Bye.")
        ]


class Chat(TypedDict):
    messages: list[Message]


class Trail(TypedDict, total=False):
    trail: list[str]


class Growing(TypedDict, total=False):
    trail: Annotated[list[str], operator.add]


class Noting(Middleware):
    """Writes down when its hooks run."""

    state_schema = Trail

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def _note(self, state: Any, hook: str) -> dict[str, Any]:
        return {"trail": [*state.get("trail", []), f"{self.mark} {hook}"]}

    async def before_agent(self, state: Any, ctx: Any) -> Any:
        return self._note(state, "before_agent")

    async def before_model(self, state: Any, ctx: Any) -> Any:
        return self._note(state, "before_model")

    async def after_model(self, state: Any, ctx: Any) -> Any:
        return self._note(state, "after_model")

    async def after_agent(self, state: Any, ctx: Any) -> Any:
        return self._note(state, "after_agent")


class Wrapping(Middleware):
    def __init__(self, mark: str) -> None:
        self.mark = mark

    async def wrap_model_call(self, call: ModelCall, handler: Any) -> Message:
        prompt = f"{call.system_prompt or ''}{self.mark}"
        answer = await handler(replace(call, system_prompt=prompt))
        return answer.model_copy(update={"content": f"{self.mark}({answer.content})"})

    async def wrap_tool_call(self, request: ToolRequest, handler: Any) -> Any:
        output = await handler(request)
        return replace(output, content=f"{self.mark}[{output.content}]")


class Audit(Middleware):
    @activity_hook
    async def after_agent(self, state: Any) -> Any:
        return {"messages": [Message.ai(f"audited {len(state['messages'])}")]}


class Every(Middleware):
    """Writes down when any of its hooks runs; those with effects count them, and there are questions within."""

    state_schema = Growing

    @activity_hook
    async def before_agent(self, state: Any) -> Any:
        return self.did(state, "before_agent")

    async def before_model(self, state: Any, ctx: Any) -> Any:
        return {"trail": ["before_model"]}

    async def wrap_model_call(self, call: ModelCall, handler: Any) -> Message:
        call.update({"trail": ["wrap_model_call"]})
        answer: Message = await handler(call)
        await call.ctx.interrupt("Is the answer good?")
        call.update({"trail": ["/wrap_model_call"]})
        return answer

    async def after_model(self, state: Any, ctx: Any) -> Any:
        await ctx.interrupt("Go on?")
        return {"trail": ["after_model"]}

    async def wrap_tool_call(self, request: ToolRequest, handler: Any) -> Any:
        request.update({"trail": ["wrap_tool_call"]})
        output = await handler(request)
        await request.ctx.interrupt("Is the result good?")
        request.update({"trail": ["/wrap_tool_call"]})
        return output

    @activity_hook
    async def after_agent(self, state: Any) -> Any:
        return self.did(state, "after_agent")

    def did(self, state: Any, hook: str) -> dict[str, Any]:
        note({"configurable": {"thread_id": state["messages"][0].content}}, hook)
        return {"trail": [hook]}


class TestMiddleware:
    async def test_b38_every_hook_runs_once_whatever_is_asked_and_whenever_the_history_ends(
        self, any_host: OrisHost
    ) -> None:
        thread = uuid4().hex
        agent = create_agent(fake_model(call(1, "delete", path="a"), "ok"), [delete], middleware=[Every()])
        record = await any_host.start(agent, {"messages": [thread]}, thread)
        questions = []
        while record.status == "interrupted":
            questions.append(record.asks[0].value)
            record = await any_host.resume(agent, thread, "yes")
        turn = ["before_model", "wrap_model_call", "/wrap_model_call", "after_model"]
        tools = ["wrap_tool_call", "/wrap_tool_call"]
        assert record.values["trail"] == ["before_agent", *turn, *tools, *turn, "after_agent"]
        assert len(questions) == 5
        assert [ran[thread, what] for what in ("before_agent", "delete a", "after_agent")] == [1, 1, 1]

    async def test_b38_every_hook_runs_once_before_in_order_and_after_in_reverse(
        self, host: OrisHost, thread: str
    ) -> None:
        agent = create_agent(fake_model("Hello."), middleware=[Noting("a"), Noting("b")])
        record = await host.start(agent, {"messages": ["Hi"]}, thread)
        assert record.values["trail"] == [
            *("a before_agent", "b before_agent", "a before_model", "b before_model"),
            *("b after_model", "a after_model", "b after_agent", "a after_agent"),
        ]

    async def test_b15_wrapping_hooks_are_nested_and_see_each_others_changes(self, host: OrisHost, thread: str) -> None:
        agent = create_agent(
            fake_model(call(1, "look_up", what="stork"), "ok"), [look_up], middleware=[Wrapping("a"), Wrapping("b")]
        )
        record = await host.start(agent, {"messages": ["Hi"]}, thread)
        assert [text for _, text in texts(record.values)][2:] == ["a[b[stork is a bird]]", "a(b(ok))"]

    async def test_b13_a_tool_that_is_not_offered_cannot_be_called(self, host: OrisHost, thread: str) -> None:
        class NoDelete(Middleware):
            async def wrap_model_call(self, call: ModelCall, handler: Any) -> Message:
                return await handler(replace(call, tools=[item for item in call.tools if item.name != "delete"]))

        agent = create_agent(fake_model(call(1, "delete", path="a"), "ok"), [look_up, delete], middleware=[NoDelete()])
        record = await host.start(agent, {"messages": ["Hi"]}, thread)
        assert record.values["messages"][2]["content"] == "There is no tool 'delete'; there are look_up."
        assert ran[thread, "delete a"] == 0

    async def test_b31_the_model_may_be_changed_for_a_call(self, host: OrisHost, thread: str) -> None:
        class Better(Middleware):
            async def wrap_model_call(self, call: ModelCall, handler: Any) -> Message:
                return await handler(replace(call, model=fake_model("from the better one", name="better")))

        record = await host.start(
            create_agent(fake_model("from the usual one"), middleware=[Better()]), {"messages": ["Hi"]}, thread
        )
        answer = record.values["messages"][1]
        assert (answer["content"], answer["extra"]["model"]) == ("from the better one", "better")

    async def test_wrapping_hooks_may_update_the_state(self, host: OrisHost, thread: str) -> None:
        class Counting(Middleware):
            state_schema = Trail

            async def wrap_model_call(self, call: ModelCall, handler: Any) -> Message:
                call.update({"trail": [*call.state.get("trail", []), "model"]})
                return await handler(call)

            async def wrap_tool_call(self, request: ToolRequest, handler: Any) -> Any:
                request.update({"trail": [*request.state.get("trail", []), request.call.args["what"]]})
                return await handler(request)

        model = fake_model(Message.ai("", [call(1, "look_up", what="stork"), call(2, "look_up", what="heron")]), "ok")
        agent = create_agent(model, [look_up], middleware=[Counting()])
        record = await host.start(agent, {"messages": ["Hi"]}, thread)
        assert record.values["trail"] == ["model", "stork", "heron", "model"]

    async def test_a_hook_with_effects_is_an_activity(self, host: OrisHost, thread: str) -> None:
        record = await host.start(create_agent(fake_model("ok"), middleware=[Audit()]), {"messages": ["Hi"]}, thread)
        assert record.values["messages"][-1]["content"] == "audited 2"

    async def test_it_may_go_somewhere_and_there_may_be_several(self, host: OrisHost, thread: str) -> None:
        class Closed(Middleware):
            @activity_hook
            async def before_model(self, state: Any) -> Any:
                if len(state["messages"]) < 2:
                    return {"messages": [Message.ai("Wait.")]}
                return Command(update={"messages": [Message.ai("We are closed.")]}, goto="end")

        agent = create_agent(fake_model("never"), middleware=[Closed(), Closed()])
        record = await host.start(agent, {"messages": ["Hi"]}, thread)
        assert [text for _, text in texts(record.values)] == ["Hi", "Wait.", "We are closed."]

    async def test_if_it_fails_so_does_the_run(self, host: OrisHost, thread: str) -> None:
        class Broken(Middleware):
            @activity_hook
            async def after_model(self, state: Any) -> Any:
                return state["nothing"]

        record = await host.start(create_agent(fake_model("ok"), middleware=[Broken()]), {"messages": ["Hi"]}, thread)
        assert (record.status, record.error) == ("failed", "node")
        assert "Broken.after_model" in record.message
        assert "KeyError" in record.message

    async def test_a_hook_may_end_the_agent(self, host: OrisHost, thread: str) -> None:
        class Closed(Middleware):
            async def before_model(self, state: Any, ctx: Any) -> Any:
                return Command(update={"messages": [Message.ai("We are closed.")]}, goto="end")

        record = await host.start(
            create_agent(fake_model("never"), middleware=[Closed()]), {"messages": ["Hi"]}, thread
        )
        assert texts(record.values) == [("human", "Hi"), ("ai", "We are closed.")]

    async def test_a_hook_may_begin_with_the_tools(self, host: OrisHost, thread: str) -> None:
        class Straight(Middleware):
            async def before_agent(self, state: Any, ctx: Any) -> Any:
                return Command(update={"messages": [Message.ai("", [call(1, "look_up", what="stork")])]}, goto="tools")

        agent = create_agent(fake_model("unused", "It is a bird."), [look_up], middleware=[Straight()])
        record = await host.start(agent, {"messages": ["Hi"]}, thread)
        assert [text for _, text in texts(record.values)] == ["Hi", "", "stork is a bird", "It is a bird."]

    @pytest.mark.parametrize(("hook", "goto"), [("after_agent", "model"), ("before_model", "tools")])
    async def test_a_hook_that_goes_where_the_agent_cannot_fails(
        self, host: OrisHost, thread: str, hook: str, goto: str
    ) -> None:
        async def go(self: Middleware, state: Any, ctx: Any) -> Any:
            return Command(goto=goto)

        lost = type("Lost", (Middleware,), {hook: go})()
        record = await host.start(create_agent(fake_model("x"), middleware=[lost]), {"messages": ["Hi"]}, thread)
        assert record.status == "failed"
        assert f"(Lost.{hook}) goes to '{goto}'; it may go to" in record.message

    async def test_a_hook_that_goes_nowhere_fails_with_its_name(self, host: OrisHost, thread: str) -> None:
        class Lost(Middleware):
            async def before_model(self, state: Any, ctx: Any) -> Any:
                return Command(goto="somewhere")

        record = await host.start(create_agent(fake_model("x"), middleware=[Lost()]), {"messages": ["Hi"]}, thread)
        assert record.status == "failed"
        assert "Lost.before_model" in record.message

    def test_hooks_are_linted(self) -> None:
        class Dice(Middleware):
            async def before_model(self, state: Any, ctx: Any) -> Any:
                import random

                return {"messages": [Message.human(str(random.random()))]}

        with pytest.raises(OrisError, match=r"random\(\)"):
            create_agent(fake_model("x"), middleware=[Dice()])

    def test_fields_that_contradict_are_refused(self) -> None:
        class Other(TypedDict, total=False):
            trail: int

        class Contradicting(Middleware):
            state_schema = Other

        with pytest.raises(GraphCompileError, match="trail"):
            create_agent(fake_model("x"), middleware=[Noting("a"), Contradicting()])


class TestLargeResults:
    async def test_leave_the_conversation_and_can_be_read_on(self, host: OrisHost, thread: str, tmp_path: Path) -> None:
        @tool
        async def dump() -> str:
            """Print everything."""
            return "".join(f"line {number}\n" for number in range(100_000))

        model = fake_model(call(1, "dump"), "That was long.")
        eviction = ToolResultEvictionMiddleware(ToolResultEviction(str(tmp_path)))
        agent = create_agent(model, [dump], middleware=[eviction])
        record = await host.start(agent, {"messages": ["go"]}, thread)
        told = record.values["messages"][2]["content"]
        assert "line 0\nline 1\n" in told
        assert len(told) < 3_000
        assert "read_result" in told
        assert record.values["messages"][-1]["content"] == "That was long."
