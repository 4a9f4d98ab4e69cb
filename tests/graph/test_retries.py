"""Retries, time limits and failures of nodes on the in-process host."""

from __future__ import annotations

import asyncio
import operator
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, TypedDict

import pytest

from oris_temporal import (
    END,
    NO_RETRY,
    START,
    Command,
    CompiledGraph,
    Context,
    RetryPolicy,
    StateGraph,
    interrupt,
)
from oris_temporal.graph.errors import GraphCompileError, InvalidUpdateError, NodeError, NodeTimeoutError

T = {"configurable": {"thread_id": "t"}}
QUICK = RetryPolicy(maximum_attempts=3, initial_interval=0.01)


class State(TypedDict):
    log: Annotated[list[str], operator.add]


class Outage(Exception):  # noqa: N818
    """Something that another attempt may cure."""


def single(fn: Callable[..., Any], **options: Any) -> CompiledGraph:
    graph = StateGraph(State).add_node("work", fn, **options).add_edge(START, "work").add_edge("work", END)
    return graph.compile(name="shop")


class Flaky:
    """A node that fails a number of times."""

    def __init__(self, failures: int, error: BaseException | None = None) -> None:
        self.failures = failures
        self.error = error or Outage("try again")
        self.calls = 0

    async def __call__(self, state: State) -> dict[str, Any]:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return {"log": [f"attempt {self.calls}"]}


class TestAttempts:
    async def test_another_attempt_cures_an_outage(self) -> None:
        node = Flaky(2)
        result = await single(node, retry=QUICK).invoke({"log": []})
        assert result.values == {"log": ["attempt 3"]}

    async def test_the_last_attempt_fails_the_run(self) -> None:
        node = Flaky(9)
        with pytest.raises(NodeError, match=r"shop\.work failed: Outage: try again") as raised:
            await single(node, retry=QUICK).invoke({"log": []})
        assert node.calls == 3
        assert (raised.value.node, raised.value.cause_type) == ("shop.work", "Outage")
        assert raised.value.code == "node"
        assert isinstance(raised.value.__cause__, Outage)

    async def test_one_attempt_only(self) -> None:
        node = Flaky(1)
        with pytest.raises(NodeError):
            await single(node, retry=NO_RETRY).invoke({"log": []})
        assert node.calls == 1

    async def test_no_limit(self) -> None:
        node = Flaky(10)
        endless = RetryPolicy(maximum_attempts=0, initial_interval=0.001, backoff_coefficient=1)
        assert (await single(node, retry=endless).invoke({"log": []})).values == {"log": ["attempt 11"]}

    @pytest.mark.parametrize(
        "error", [ValueError("x"), TypeError("x"), KeyError("x"), AssertionError("x"), ZeroDivisionError("x")]
    )
    async def test_a_programming_mistake_is_not_tried_again(self, error: Exception) -> None:
        node = Flaky(1, error)
        with pytest.raises(NodeError, match=type(error).__name__):
            await single(node, retry=QUICK).invoke({"log": []})
        assert node.calls == 1

    async def test_unless_the_policy_says_so(self) -> None:
        node = Flaky(1, ValueError("x"))
        policy = RetryPolicy(initial_interval=0.01, retry_on=(ValueError,))
        assert (await single(node, retry=policy).invoke({"log": []})).values == {"log": ["attempt 2"]}

    async def test_a_policy_that_names_errors_tries_no_others(self) -> None:
        node = Flaky(1, Outage("x"))
        with pytest.raises(NodeError):
            await single(node, retry=RetryPolicy(initial_interval=0.01, retry_on=(OSError,))).invoke({"log": []})
        assert node.calls == 1

    async def test_an_invalid_update_is_not_tried_again(self) -> None:
        calls = []

        def work(state: State) -> dict[str, Any]:
            calls.append(1)
            return {"typo": 1}

        with pytest.raises(InvalidUpdateError, match=r"shop\.work"):
            await single(work, retry=QUICK).invoke({"log": []})
        assert len(calls) == 1

    async def test_a_plain_function_is_tried_again_too(self) -> None:
        calls = []

        def work(state: State) -> dict[str, Any]:
            calls.append(1)
            if len(calls) < 2:
                raise Outage("x")
            return {"log": ["done"]}

        assert (await single(work, retry=QUICK).invoke({"log": []})).values == {"log": ["done"]}

    async def test_a_plain_function_that_raises_stop_iteration(self) -> None:
        """A future cannot carry it; the run must fail all the same."""

        def work(state: State) -> dict[str, Any]:
            raise StopIteration

        async with asyncio.timeout(5):
            with pytest.raises(NodeError, match=r"shop\.work"):
                await single(work, retry=NO_RETRY).invoke({"log": []})

    async def test_a_failed_attempt_leaves_no_update(self) -> None:
        calls = []

        async def work(state: State) -> dict[str, Any]:
            calls.append(list(state["log"]))
            state["log"].append("half done")
            if len(calls) < 2:
                raise Outage("x")
            return {"log": ["done"]}

        assert (await single(work, retry=QUICK).invoke({"log": []})).values == {"log": ["done"]}
        assert calls == [[], []]


class TestBackoff:
    def test_it_grows_and_is_capped(self) -> None:
        policy = RetryPolicy(maximum_attempts=6, initial_interval="1s", backoff_coefficient=3, maximum_interval="10s")
        waits = [policy.wait_before(attempt) for attempt in range(2, 8)]
        assert [wait and wait.total_seconds() for wait in waits] == [1, 3, 9, 10, 10, None]

    def test_many_attempts_do_not_overflow(self) -> None:
        wait = RetryPolicy(maximum_attempts=0).wait_before(5000)
        assert wait is not None
        assert wait.total_seconds() == 60

    async def test_it_is_waited_for(self) -> None:
        started = time.monotonic()
        await single(Flaky(2), retry=RetryPolicy(initial_interval=0.05)).invoke({"log": []})
        assert 0.15 <= time.monotonic() - started < 5


class TestPolicyFromData:
    def test_names_of_errors(self) -> None:
        policy = RetryPolicy.from_dict({"maximum_attempts": 2, "retry_on": ["OSError", "TimeoutError"]})
        assert policy == RetryPolicy(maximum_attempts=2, retry_on=(OSError, TimeoutError))

    @pytest.mark.parametrize("data", [{"retry_on": ["NoSuchError"]}, {"retry_on": ["print"]}, {"attempts": 3}])
    def test_mistakes_are_explained(self, data: dict[str, Any]) -> None:
        with pytest.raises(GraphCompileError, match=r"NoSuchError|print|attempts"):
            RetryPolicy.from_dict(data)


class TestTimeLimits:
    async def test_an_attempt_that_takes_too_long_fails_the_run(self) -> None:
        async def work(state: State) -> dict[str, Any]:
            await asyncio.sleep(10)
            return {}

        with pytest.raises(NodeTimeoutError, match=r"shop\.work did not finish") as raised:
            await single(work, timeout=0.05, retry=NO_RETRY).invoke({"log": []})
        assert raised.value.code == "node_timeout"

    async def test_it_is_tried_again(self) -> None:
        calls = []

        async def work(state: State) -> dict[str, Any]:
            calls.append(1)
            await asyncio.sleep(0 if len(calls) > 1 else 10)
            return {"log": ["done"]}

        result = await single(work, timeout=0.05, retry=QUICK).invoke({"log": []})
        assert result.values == {"log": ["done"]}

    async def test_all_attempts_together(self) -> None:
        async def work(state: State) -> dict[str, Any]:
            await asyncio.sleep(0.05)
            raise Outage("x")

        endless = RetryPolicy(maximum_attempts=0, initial_interval=0.01)
        async with asyncio.timeout(5):
            with pytest.raises(NodeError, match=r"shop\.work"):
                await single(work, total_timeout=0.2, retry=endless).invoke({"log": []})

    async def test_waiting_for_a_person_is_not_an_attempts_time(self) -> None:
        async def work(state: State) -> dict[str, Any]:
            return {"log": [await interrupt("ok?")]}

        graph = single(work, timeout=0.1)
        await graph.invoke({"log": []}, T)
        await asyncio.sleep(0.3)
        assert (await graph.invoke(Command(resume="yes"), T)).values == {"log": ["yes"]}


class TestActivitiesOfANode:
    """Functions that a workflow-side node calls with ``ctx.activity``."""

    def calling(self, fn: Callable[..., Any], **options: Any) -> CompiledGraph:
        async def work(state: State, ctx: Context) -> dict[str, Any]:
            return {"log": [await ctx.activity("effect", "x")]}

        graph = StateGraph(State).add_node("work", work).add_activity(fn, name="effect", **options)
        return graph.add_edge(START, "work").add_edge("work", END).compile(name="shop")

    async def test_are_tried_again(self) -> None:
        calls = []

        async def effect(text: str) -> str:
            calls.append(text)
            if len(calls) < 2:
                raise Outage("x")
            return text * 2

        assert (await self.calling(effect, retry=QUICK).invoke({"log": []})).values == {"log": ["xx"]}

    async def test_fail_with_their_name(self) -> None:
        def effect(text: str) -> str:
            raise Outage("gone")

        with pytest.raises(NodeError, match=r"shop\.effect failed: Outage: gone") as raised:
            await self.calling(effect, retry=NO_RETRY).invoke({"log": []})
        assert raised.value.node == "shop.effect"

    async def test_a_node_may_catch_the_failure(self) -> None:
        def effect(text: str) -> str:
            raise Outage("gone")

        async def work(state: State, ctx: Context) -> dict[str, Any]:
            try:
                return {"log": [await ctx.activity(effect, "x")]}
            except NodeError as error:
                return {"log": [error.cause_type]}

        graph = StateGraph(State).add_node("work", work).add_activity(effect, retry=NO_RETRY)
        compiled = graph.add_edge(START, "work").add_edge("work", END).compile(name="shop")
        assert (await compiled.invoke({"log": []})).values == {"log": ["Outage"]}

    async def test_run_once_though_the_node_waits(self) -> None:
        calls = []

        def effect(text: str) -> str:
            calls.append(text)
            return text

        async def work(state: State, ctx: Context) -> dict[str, Any]:
            return {"log": [await ctx.activity(effect, "x"), await ctx.interrupt("ok?")]}

        graph = StateGraph(State).add_node("work", work).add_activity(effect)
        compiled = graph.add_edge(START, "work").add_edge("work", END).compile(name="shop")
        await compiled.invoke({"log": []}, T)
        assert (await compiled.invoke(Command(resume="yes"), T)).values == {"log": ["x", "yes"]}
        assert calls == ["x"]

    async def test_changing_a_result_does_not_change_what_is_remembered_of_it(self) -> None:
        def effect() -> list[str]:
            return ["fetched"]

        async def work(state: State, ctx: Context) -> dict[str, Any]:
            items = await ctx.activity(effect)
            items.append(await ctx.interrupt("what else?"))
            return {"log": items}

        graph = StateGraph(State).add_node("work", work).add_activity(effect)
        compiled = graph.add_edge(START, "work").add_edge("work", END).compile(name="shop")
        await compiled.invoke({"log": []}, T)
        checkpoint = (await compiled.get_state(T)).config
        await compiled.invoke(Command(resume="yes"), T)

        again = await compiled.invoke(Command(resume="no"), {"configurable": checkpoint})

        assert again.values == {"log": ["fetched", "no"]}

    async def test_an_unknown_function_is_told(self) -> None:
        def stranger(text: str) -> str:
            return text

        async def work(state: State, ctx: Context) -> dict[str, Any]:
            return {"log": [await ctx.activity(stranger, "x")]}

        with pytest.raises(InvalidUpdateError, match=r"stranger.*add_activity"):
            await single(work).invoke({"log": []})


class TestFailingSupersteps:
    def pair(self, boom: Callable[..., Any], sibling: Callable[..., Any]) -> CompiledGraph:
        graph = StateGraph(State).add_node("boom", boom, retry=NO_RETRY).add_node("sibling", sibling)
        graph.add_edge(START, "boom").add_edge(START, "sibling").add_edge("boom", END).add_edge("sibling", END)
        return graph.compile(name="shop")

    async def test_running_siblings_are_cancelled_and_may_clean_up(self) -> None:
        steps = []

        async def boom(state: State) -> None:
            while not steps:
                await asyncio.sleep(0.01)
            raise Outage("x")

        async def sibling(state: State) -> None:
            steps.append("started")
            try:
                await asyncio.sleep(10)
            finally:
                steps.append("cleaned up")

        with pytest.raises(NodeError, match=r"shop\.boom"):
            await self.pair(boom, sibling).invoke({"log": []}, T)
        assert steps == ["started", "cleaned up"]

    async def test_the_thread_can_go_on_where_it_failed(self) -> None:
        calls = {"boom": 0, "sibling": 0}

        async def boom(state: State) -> dict[str, Any]:
            calls["boom"] += 1
            while not calls["sibling"]:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            if calls["boom"] == 1:
                raise Outage("x")
            return {"log": ["boom"]}

        async def sibling(state: State) -> dict[str, Any]:
            calls["sibling"] += 1
            return {"log": ["sibling"]}

        graph = self.pair(boom, sibling)
        with pytest.raises(NodeError):
            await graph.invoke({"log": []}, T)
        assert (await graph.get_state(T)).values == {"log": []}
        result = await graph.invoke(None, T)
        assert result.values == {"log": ["boom", "sibling"]}
        assert calls == {"boom": 2, "sibling": 1}

    async def test_the_first_failure_in_time_is_the_one_told(self) -> None:
        async def boom(state: State) -> None:
            await asyncio.sleep(0.2)
            raise Outage("late")

        async def sibling(state: State) -> None:
            raise ValueError("early")

        with pytest.raises(NodeError, match=r"shop\.sibling failed: ValueError: early"):
            await self.pair(boom, sibling).invoke({"log": []}, T)

    async def test_a_failure_while_a_sibling_waits_for_a_person(self) -> None:
        async def boom(state: State) -> None:
            await asyncio.sleep(0.05)
            raise Outage("x")

        async def sibling(state: State, ctx: Context) -> None:
            await ctx.interrupt("ok?")

        graph = self.pair(boom, sibling)
        with pytest.raises(NodeError, match=r"shop\.boom"):
            await graph.invoke({"log": []}, T)
        assert (await graph.get_state(T)).interrupts == []

    async def test_a_workflow_side_node_fails_without_retry(self) -> None:
        calls = []

        def work(state: State) -> None:
            calls.append(1)
            raise Outage("x")

        with pytest.raises(NodeError, match=r"shop\.work failed: Outage: x"):
            await single(work, run_as="workflow").invoke({"log": []})
        assert calls == [1]


@pytest.mark.parametrize("given", [[ConnectionError], (ConnectionError,), ConnectionError])
def test_what_is_worth_another_attempt_may_be_given_in_any_form(given: Any) -> None:
    policy = RetryPolicy(retry_on=given)
    assert policy.retries(ConnectionResetError())
    assert not policy.retries(TimeoutError())


def test_nothing_is_worth_another_attempt() -> None:
    assert not RetryPolicy(retry_on=[]).retries(ConnectionError())
    assert not RetryPolicy.from_dict({"retry_on": []}).retries(ConnectionError())


def test_only_error_classes_can_be_retried_on() -> None:
    with pytest.raises(GraphCompileError, match="error classes, not 'ConnectionError'"):
        RetryPolicy(retry_on=["ConnectionError"])  # type: ignore[list-item]


class TestWhatANodeRaisesItself:
    async def test_a_timeout_error_is_no_time_limit_of_the_node(self) -> None:
        graph = single(Flaky(9, TimeoutError("the printer")), retry=NO_RETRY)

        with pytest.raises(NodeError, match="TimeoutError: the printer") as caught:
            await graph.invoke({"log": []}, T)

        assert not isinstance(caught.value, NodeTimeoutError)

    async def test_a_cancelled_error_does_not_cancel_the_caller(self) -> None:
        graph = single(Flaky(9, asyncio.CancelledError("mine")), retry=NO_RETRY)

        with pytest.raises(NodeError, match="CancelledError: mine"):
            await graph.invoke({"log": []}, T)

    async def test_a_result_after_the_time_limit_does_not_count(self) -> None:
        async def stubborn(state: State) -> dict[str, Any]:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            return {"log": ["late"]}

        with pytest.raises(NodeTimeoutError):
            await single(stubborn, timeout=0.01, retry=NO_RETRY).invoke({"log": []}, T)
