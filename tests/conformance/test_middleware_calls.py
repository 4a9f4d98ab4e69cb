"""Middleware that retries calls, slows them down and limits them, on every host of ours."""

from __future__ import annotations

from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
import temporalio.client
from agent_tools import Watch, call, flaky, look_up, texts
from effects import ran
from hosts import OrisHost
from pydantic import BaseModel
from temporal_host import TemporalHost

from oris_temporal import Command, Message, RetryPolicy, tool
from oris_temporal.agents import (
    BudgetMiddleware,
    Middleware,
    RateLimitMiddleware,
    RetryMiddleware,
    ToolStrategy,
    create_agent,
)
from oris_temporal.graph.errors import GraphCompileError, ToolError
from oris_temporal.models.fake import fake_model


@pytest.fixture
def thread(host: OrisHost) -> str:
    return f"{host.name}-{uuid4().hex[:12]}"


@tool(retry=RetryPolicy(maximum_attempts=1))
async def refuse(what: str) -> str:
    """Say that it cannot be done."""
    raise ToolError(f"{what} is not possible")


@tool(retry=RetryPolicy(maximum_attempts=1))
async def mistaken(what: str) -> str:
    """Have a bug."""
    return what[99]


class Answer(BaseModel):
    bird: str


class SendingBack(Middleware):
    """Is content with no answer."""

    async def after_model(self, state: Any, ctx: Any) -> Any:
        return Command(goto="model")


class TestRetry:
    async def test_b32_a_flaky_tool_succeeds_on_attempt_2_and_the_attempts_are_visible(
        self, host: OrisHost, thread: str
    ) -> None:
        model = fake_model(call(1, "flaky", what="it", fails=1), "ok")
        agent = create_agent(model, [flaky], middleware=[RetryMiddleware(initial_interval="10ms")])
        record = await host.start(agent, {"messages": ["go"]}, thread)
        answer = record.values["messages"][2]
        assert (answer["content"], answer["extra"]["attempts"]) == ("it at last", 2)
        assert ran[thread, "flaky it"] == 2

    async def test_each_failure_is_streamed(self, host: OrisHost, thread: str) -> None:
        model = fake_model(call(1, "flaky", what="it", fails=1), "ok")
        agent = create_agent(model, [flaky], middleware=[RetryMiddleware(initial_interval="10ms")])
        [found] = await host.stream(agent, {"messages": ["go"]}, thread, "custom")
        assert found["retry"].pop("error").endswith("no answer")
        assert found["retry"] == {"tool": "flaky", "call_id": "call-1", "attempt": 1}

    async def test_when_the_attempts_are_used_up_the_model_is_told(self, host: OrisHost, thread: str) -> None:
        model = fake_model(call(1, "flaky", what="it", fails=9), "I see.")
        agent = create_agent(model, [flaky], middleware=[RetryMiddleware(2, initial_interval="10ms")])
        record = await host.start(agent, {"messages": ["go"]}, thread)
        answer = record.values["messages"][2]
        assert "no answer" in answer["content"]
        assert (answer["extra"]["is_error"], answer["extra"]["attempts"]) == (True, 2)

    @pytest.mark.parametrize("name", ["refuse", "mistaken"])
    async def test_what_another_attempt_cannot_cure_is_not_tried_again(
        self, host: OrisHost, thread: str, name: str
    ) -> None:
        agent = create_agent(
            fake_model(call(1, name, what="it"), "I see."), [refuse, mistaken], middleware=[RetryMiddleware()]
        )
        record = await host.start(agent, {"messages": ["go"]}, thread)
        answer = record.values["messages"][2]
        assert answer["extra"]["is_error"]
        assert "attempts" not in answer["extra"]

    async def test_other_tools_are_not_tried_again(self, host: OrisHost, thread: str) -> None:
        model = fake_model(call(1, "flaky", what="it", fails=1), "I see.")
        agent = create_agent(model, [flaky], middleware=[RetryMiddleware(tools=["look_up"])])
        await host.start(agent, {"messages": ["go"]}, thread)
        assert ran[thread, "flaky it"] == 1

    async def test_retries_beside_other_calls_go_on_in_another_history(
        self, temporal: temporalio.client.Client
    ) -> None:
        thread = uuid4().hex
        asked = [call(1, "flaky", what="a", fails=3), call(2, "look_up", what="b"), call(3, "flaky", what="c", fails=1)]
        agent = create_agent(
            fake_model(Message.ai("", asked), "ok"),
            [flaky, look_up],
            middleware=[RetryMiddleware(5, initial_interval="10ms")],
        )
        async with TemporalHost(temporal, continue_as_new_after=15) as host:
            record = await host.start(agent, {"messages": ["go"]}, thread)
        assert [text for _, text in texts(record.values)][2:] == ["a at last", "b is a bird", "c at last", "ok"]
        counts = {what: ran[thread, what] for what in ("flaky a", "look_up b", "flaky c")}
        assert counts == {"flaky a": 4, "look_up b": 1, "flaky c": 2}


class TestRateLimit:
    async def test_calls_wait_for_their_turn(self, host: OrisHost, thread: str) -> None:
        asked = [call(number, "look_up", what=str(number)) for number in range(4)]
        limit = RateLimitMiddleware(tool_calls=(2, "500ms"), per_tool={"delete": (1, "1h")})
        agent = create_agent(fake_model(Message.ai("", asked), "ok"), [look_up], middleware=[limit])
        record = await host.start(agent, {"messages": ["go"]}, thread)
        times = record.values["call_times"]["tools, 2 in 0.5 s"]
        assert len(times) == 4
        assert all(later - earlier >= 0.499 for earlier, later in zip(times, times[2:], strict=False))
        assert record.values["messages"][-1]["content"] == "ok"

    async def test_model_calls_wait(self, host: OrisHost, thread: str) -> None:
        model = fake_model(call(1, "look_up", what="a"), call(2, "look_up", what="b"), "ok")
        agent = create_agent(model, [look_up], middleware=[RateLimitMiddleware(model_calls=(1, "400ms"))])
        seen = []
        for update in await host.stream(agent, {"messages": ["go"]}, thread, "updates"):
            seen += [body["call_times"]["model, 1 in 0.4 s"][-1] for body in update.values() if "call_times" in body]
        assert len(seen) == 3
        assert all(later - earlier >= 0.399 for earlier, later in pairwise(seen))

    async def test_a_limit_holds_over_continue_as_new(self, temporal: temporalio.client.Client) -> None:
        asked = [Message.ai("", [call(number, "look_up", what=str(number))]) for number in range(5)]
        agent = create_agent(
            fake_model(*asked, "ok"), [look_up], middleware=[RateLimitMiddleware(tool_calls=(1, "300ms"))]
        )
        async with TemporalHost(temporal, continue_as_new_after=20) as host:
            record = await host.start(agent, {"messages": ["go"]}, uuid4().hex)
        assert record.values["messages"][-1]["content"] == "ok"
        assert record.values["messages"][-2]["content"] == "4 is a bird"

    async def test_two_limits_of_the_same_calls(self, host: OrisHost, thread: str) -> None:
        limits = [RateLimitMiddleware(tool_calls=(9, "1h")), RateLimitMiddleware(tool_calls=(1, "300ms"))]
        model = fake_model(Message.ai("", [call(number, "look_up", what="x") for number in range(2)]), "ok")
        record = await host.start(create_agent(model, [look_up], middleware=limits), {"messages": ["go"]}, thread)
        assert {limit: len(times) for limit, times in record.values["call_times"].items()} == {
            "tools, 9 in 3600 s": 2,
            "tools, 1 in 0.3 s": 2,
        }

    async def test_or_the_run_fails(self, host: OrisHost, thread: str) -> None:
        limit = RateLimitMiddleware(model_calls=(1, "1h"), on_limit="error")
        agent = create_agent(fake_model(call(1, "look_up", what="x"), "never"), [look_up], middleware=[limit])
        record = await host.start(agent, {"messages": ["go"]}, thread)
        assert (record.status, record.error) == ("failed", "rate_limit_exceeded")

    async def test_or_the_model_is_told(self, host: OrisHost, thread: str) -> None:
        asked = [call(1, "look_up", what="a"), call(2, "look_up", what="b")]
        limit = RateLimitMiddleware(per_tool={"look_up": (1, "1h")}, on_limit="error")
        agent = create_agent(fake_model(Message.ai("", asked), "I see."), [look_up], middleware=[limit])
        record = await host.start(agent, {"messages": ["go"]}, thread)
        assert [text for _, text in texts(record.values)][2:] == [
            "a is a bird",
            "Tool look_up was called too often. Try again in 3600 s.",
            "I see.",
        ]

    @pytest.mark.parametrize("rate", [(0, "1m"), (1, "soon"), 5])
    def test_a_limit_that_is_none_is_refused(self, rate: object) -> None:
        with pytest.raises(GraphCompileError, match="limit of model"):
            RateLimitMiddleware(model_calls=rate)  # type: ignore[arg-type]


class TestBudget:
    @pytest.mark.parametrize("limit", [{"max_turns": 2}, {"max_tool_calls": 2}, {"max_tokens": 8}])
    async def test_b39_a_typed_error(self, host: OrisHost, thread: str, limit: dict[str, int]) -> None:
        model = fake_model(*(call(number, "look_up", what="x") for number in range(9)), "never")
        agent = create_agent(model, [look_up], middleware=[BudgetMiddleware(**limit)])
        record = await host.start(agent, {"messages": ["go"]}, thread)
        assert (record.status, record.error) == ("failed", "budget_exceeded")
        assert next(iter(limit)) in record.message

    @pytest.mark.parametrize("limit", [{"max_turns": 2}, {"max_tool_calls": 1}, {"max_tokens": 2}])
    async def test_b39_an_answer_without_tools(self, host: OrisHost, thread: str, limit: dict[str, int]) -> None:
        watch = Watch()
        agent = create_agent(
            fake_model(call(1, "look_up", what="x"), "It is a bird."),
            [look_up],
            middleware=[BudgetMiddleware(**limit, on_limit="answer"), watch],
        )
        record = await host.start(agent, {"messages": ["go"]}, thread)
        assert texts(record.values)[-2:] == [("tool", "x is a bird"), ("ai", "It is a bird.")]
        assert watch.calls[-1].tools == []
        assert watch.calls[-1].messages[-1].content.startswith("Answer now")

    async def test_calls_beyond_the_limit_are_not_made(self, host: OrisHost, thread: str) -> None:
        asked = [call(number, "look_up", what=str(number)) for number in range(3)]
        agent = create_agent(
            fake_model(Message.ai("", asked), "ok"),
            [look_up],
            middleware=[BudgetMiddleware(max_tool_calls=2, on_limit="answer")],
        )
        record = await host.start(agent, {"messages": ["go"]}, thread)
        assert [text for _, text in texts(record.values)][2:] == [
            "0 is a bird",
            "1 is a bird",
            "This call was not made: you may call no more tools.",
            "ok",
        ]
        assert ran[thread, "look_up 2"] == 0

    async def test_a_model_that_does_not_answer_when_asked_to_meets_the_error(
        self, host: OrisHost, thread: str
    ) -> None:
        model = fake_model(*(call(number, "look_up", what="x") for number in range(9)))
        agent = create_agent(model, [look_up], middleware=[BudgetMiddleware(max_turns=2, on_limit="answer")])
        record = await host.start(agent, {"messages": ["go"]}, thread)
        assert (record.status, record.error) == ("failed", "budget_exceeded")

    @pytest.mark.parametrize("limit", [{"max_turns": 2}, {"max_tool_calls": 1}, {"max_tokens": 1}])
    async def test_nor_does_one_go_on_that_calls_what_there_is_not(
        self, host: OrisHost, thread: str, limit: dict[str, int]
    ) -> None:
        model = fake_model(call(0, "look_up", what="x"), *(call(number, "search", what="x") for number in range(1, 9)))
        agent = create_agent(model, [look_up], middleware=[BudgetMiddleware(**limit, on_limit="answer")])
        record = await host.start(agent, {"messages": ["go"]}, thread)
        assert (record.status, record.error, record.values["turns"]) == ("failed", "budget_exceeded", 2)

    @pytest.mark.parametrize("limit", [{"max_turns": 1}, {"max_tokens": 1}])
    async def test_nor_one_whose_answers_are_sent_back(
        self, host: OrisHost, thread: str, limit: dict[str, int]
    ) -> None:
        agent = create_agent(
            fake_model(*("again" for _ in range(9))),
            middleware=[BudgetMiddleware(**limit, on_limit="answer"), SendingBack()],
        )
        record = await host.start(agent, {"messages": ["go"]}, thread)
        assert (record.status, record.error) == ("failed", "budget_exceeded")
        assert record.values["turns"] <= 2

    async def test_a_structured_answer_is_no_tool_call(self, host: OrisHost, thread: str) -> None:
        agent = create_agent(
            fake_model(call(1, "look_up", what="x"), call(2, "Answer", bird="x")),
            [look_up],
            response_format=ToolStrategy(Answer),
            middleware=[BudgetMiddleware(max_tool_calls=1, on_limit="answer")],
        )
        record = await host.start(agent, {"messages": ["go"]}, thread)
        assert record.values["structured_response"] == {"bird": "x"}

    async def test_each_run_has_its_own(self, host: OrisHost, thread: str) -> None:
        agent = create_agent(fake_model("ok"), middleware=[BudgetMiddleware(max_turns=1)])
        record = await host.start(agent, {"messages": ["go"], "spent": {"max_turns=1": 1}}, thread)
        assert (record.status, record.values["spent"]) == ("completed", {"max_turns=1": 1})

    async def test_two_count_each_for_itself(self, host: OrisHost, thread: str) -> None:
        budgets = [BudgetMiddleware(max_turns=3, on_limit="answer"), BudgetMiddleware(max_turns=4)]
        model = fake_model(*(call(number, "look_up", what="x") for number in range(2)), "ok")
        record = await host.start(create_agent(model, [look_up], middleware=budgets), {"messages": ["go"]}, thread)
        assert record.values["spent"] == {"max_turns=3": 3, "max_turns=4": 3}
