"""Interrupts in process: deadlines, defaults, schemas, escalation, answers by id, conflicts and repeats."""

from __future__ import annotations

import asyncio
import operator
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

import pytest
import typing_extensions
from pydantic import BaseModel

from oris_temporal import END, START, Command, CompiledGraph, Context, Interrupt, StateGraph, interrupt
from oris_temporal.graph.errors import (
    AmbiguousResumeError,
    InterruptConflictError,
    InterruptNotFoundError,
    InterruptOutsideRunError,
    InterruptTimeoutError,
    InvalidAnswerError,
    NotInterruptedError,
    RunConflictError,
    SerializationError,
    ThreadNotFoundError,
)
from oris_temporal.graph.interrupts import thread_of

T = {"configurable": {"thread_id": "t"}}


class State(TypedDict):
    log: Annotated[list[Any], operator.add]


class Decision(BaseModel):
    ok: bool
    reason: str = ""


@dataclass
class Choice:
    number: int


class Rating(typing_extensions.TypedDict):  # Pydantic needs this one before Python 3.12
    stars: Literal[1, 2, 3]


def graph_of(*nodes: Callable[..., Any]) -> CompiledGraph:
    """Nodes side by side, named after their functions."""
    graph = StateGraph(State)
    for node in nodes:
        graph.add_node(node.__name__, node).add_edge(START, node.__name__).add_edge(node.__name__, END)
    return graph.compile(name="desk")


def asking(side: str, *values: Any, **options: Any) -> CompiledGraph:
    """A node that asks for each value, on one side or the other."""

    async def ask(state: State) -> dict[str, Any]:
        return {"log": [await interrupt(value, **options) for value in values]}

    graph = StateGraph(State).add_node("ask", ask, run_as=side)  # type: ignore[arg-type]
    return graph.add_edge(START, "ask").add_edge("ask", END).compile(name="desk")


async def left(state: State, ctx: Context) -> dict[str, Any]:
    return {"log": [["left", await ctx.interrupt("left?")]]}


async def right(state: State, ctx: Context) -> dict[str, Any]:
    return {"log": [["right", await ctx.interrupt("right?")]]}


both_sides = pytest.mark.parametrize("side", ["activity", "workflow"])


async def pending(graph: CompiledGraph) -> list[Interrupt]:
    return (await graph.get_state(T)).interrupts


async def eventually(check: Callable[[], Any], seconds: float = 5) -> Any:
    """Wait until an async check gives something true."""
    for _ in range(int(seconds / 0.02)):
        if found := await check():
            return found
        await asyncio.sleep(0.02)
    raise AssertionError("it did not happen in time")


class TestAsking:
    @both_sides
    async def test_the_record_says_who_asks_what(self, side: str) -> None:
        result = await asking(side, {"q": 1}).invoke({"log": []}, T)

        assert result.status == "interrupted"
        [item] = result.interrupts
        assert (item.id, item.thread_id, item.node, item.namespace) == ("int-t-0", "t", "ask", "")
        assert (item.value, item.kind, item.status) == ({"q": 1}, "interrupt", "pending")
        assert item.deadline is None
        assert item.answer_schema is None
        assert item.created_at.tzinfo is not None

    @both_sides
    async def test_the_json_result_carries_the_values(self, side: str) -> None:
        """Oris's form (2.15)."""
        result = await asking(side, "ok?").invoke({"log": ["in"]}, T)
        assert result.to_json() == {"log": ["in"], "__interrupt__": [{"value": "ok?"}]}

    @both_sides
    async def test_ids_count_per_thread(self, side: str) -> None:
        """Also over runs, so that an id never names two questions (B43)."""
        graph = asking(side, "a", "b")
        ids = []
        for _ in range(2):
            ids.append((await graph.invoke({"log": []}, T)).interrupts[0].id)
            ids.append((await graph.invoke(Command(resume=1), T)).interrupts[0].id)
            await graph.invoke(Command(resume=2), T)
        assert ids == ["int-t-0", "int-t-1", "int-t-2", "int-t-3"]

    async def test_an_activity_node_runs_again_from_its_beginning(self) -> None:
        runs = []

        async def ask(state: State) -> dict[str, Any]:
            runs.append("begin")
            first = await interrupt("1")
            runs.append(first)
            return {"log": [first, await interrupt("2")]}

        graph = graph_of(ask)
        await graph.invoke({"log": []}, T)
        await graph.invoke(Command(resume="A"), T)
        result = await graph.invoke(Command(resume="B"), T)
        assert result.values == {"log": ["A", "B"]}
        assert runs == ["begin", "begin", "A", "begin", "A"]

    async def test_a_workflow_node_goes_on_in_place(self) -> None:
        runs = []

        async def ask(state: State, ctx: Context) -> dict[str, Any]:
            runs.append("begin")
            return {"log": [await ctx.interrupt("1"), await ctx.interrupt("2")]}

        graph = graph_of(ask)
        await graph.invoke({"log": []}, T)
        await graph.invoke(Command(resume="A"), T)
        assert (await graph.invoke(Command(resume="B"), T)).values == {"log": ["A", "B"]}
        assert runs == ["begin"]

    async def test_except_exception_in_a_node_does_not_swallow_the_question(self) -> None:
        async def ask(state: State) -> dict[str, Any]:
            try:
                answer = await interrupt("ok?")
            except Exception:
                answer = "swallowed"
            return {"log": [answer]}

        graph = graph_of(ask)
        await graph.invoke({"log": []}, T)
        assert (await graph.invoke(Command(resume="yes"), T)).values == {"log": ["yes"]}

    @both_sides
    async def test_a_payload_without_a_json_form(self, side: str) -> None:
        with pytest.raises(SerializationError, match="interrupt payload"):
            await asking(side, object()).invoke({"log": []}, T)

    async def test_outside_of_a_run(self) -> None:
        with pytest.raises(InterruptOutsideRunError):
            await interrupt("anybody?")

    @both_sides
    async def test_two_questions_at_once_in_one_node(self, side: str) -> None:
        async def ask(state: State, ctx: Context) -> dict[str, Any]:
            return {"log": list(await asyncio.gather(ctx.interrupt("a"), ctx.interrupt("b")))}

        graph = graph_of(ask)
        result = await graph.invoke({"log": []}, T)
        assert [item.value for item in result.interrupts] == ["a", "b"]
        ids = [item.id for item in result.interrupts]
        done = await graph.invoke(Command(resume={ids[1]: "B", ids[0]: "A"}), T)
        assert done.values == {"log": ["A", "B"]}


class TestAnswering:
    async def test_one_value_for_several_questions_is_refused(self) -> None:
        graph = graph_of(left, right)
        await graph.invoke({"log": []}, T)

        with pytest.raises(AmbiguousResumeError, match=r"int-t-0, int-t-1.*by id") as raised:
            await graph.invoke(Command(resume="x"), T)

        assert raised.value.details == {"pending": ["int-t-0", "int-t-1"]}
        assert len(await pending(graph)) == 2

    @pytest.mark.parametrize("order", [(0, 1), (1, 0)])
    async def test_by_id_in_any_order(self, order: tuple[int, int]) -> None:
        graph = graph_of(left, right)
        ids = [item.id for item in (await graph.invoke({"log": []}, T)).interrupts]
        for i in order:
            result = await graph.invoke(Command(resume={ids[i]: i}), T)
        assert result.values == {"log": [["left", 0], ["right", 1]]}

    async def test_a_partial_answer_leaves_the_rest(self) -> None:
        graph = graph_of(left, right)
        await graph.invoke({"log": []}, T)
        result = await graph.invoke(Command(resume={"int-t-1": "R"}), T)
        assert [item.id for item in result.interrupts] == ["int-t-0"]
        assert result.next == ["left"]

    async def test_an_object_that_is_no_set_of_ids_is_an_answer(self) -> None:
        graph = graph_of(left)
        await graph.invoke({"log": []}, T)
        result = await graph.invoke(Command(resume={"ok": True}), T)
        assert result.values == {"log": [["left", {"ok": True}]]}

    async def test_an_unknown_id_beside_a_known_one(self) -> None:
        """It must not be taken for an answer, and nothing is answered."""
        graph = graph_of(left)
        await graph.invoke({"log": []}, T)
        with pytest.raises(InterruptNotFoundError, match="int-t-7"):
            await graph.invoke(Command(resume={"int-t-0": 1, "int-t-7": 2}), T)
        assert len(await pending(graph)) == 1

    async def test_the_same_answer_again_changes_nothing(self) -> None:
        """Idempotent (2.9)."""
        graph = graph_of(left, right)
        await graph.invoke({"log": []}, T)
        for _ in range(2):
            result = await graph.invoke(Command(resume={"int-t-0": {"a": [1]}}), T)
        assert [item.id for item in result.interrupts] == ["int-t-1"]

    @pytest.mark.parametrize("other", [2, True, 1.0, "1", None])
    async def test_another_answer_is_a_conflict(self, other: Any) -> None:
        graph = graph_of(left, right)
        await graph.invoke({"log": []}, T)
        await graph.invoke(Command(resume={"int-t-0": 1}), T)
        with pytest.raises(InterruptConflictError, match=r"'int-t-0'.*already resumed"):
            await graph.invoke(Command(resume={"int-t-0": other}), T)

    async def test_a_finished_thread_waits_for_nothing(self) -> None:
        graph = graph_of(left)
        await graph.invoke({"log": []}, T)
        await graph.invoke(Command(resume=1), T)
        with pytest.raises(NotInterruptedError, match="'t' is completed"):
            await graph.invoke(Command(resume=2), T)

    async def test_the_same_answer_after_the_run_ended(self) -> None:
        """Repeating the recorded answer by its id is still harmless."""
        graph = graph_of(left)
        await graph.invoke({"log": []}, T)
        await graph.invoke(Command(resume={"int-t-0": 1}), T)
        result = await graph.invoke(Command(resume={"int-t-0": 1}), T)
        assert (result.status, result.values) == ("completed", {"log": [["left", 1]]})

    async def test_another_answer_after_the_run_ended(self) -> None:
        graph = graph_of(left)
        await graph.invoke({"log": []}, T)
        await graph.invoke(Command(resume={"int-t-0": 1}), T)
        with pytest.raises(InterruptConflictError, match="'int-t-0'"):
            await graph.invoke(Command(resume={"int-t-0": 2}), T)

    async def test_an_unknown_thread(self) -> None:
        with pytest.raises(ThreadNotFoundError, match="'t'"):
            await graph_of(left).invoke(Command(resume=1), T)

    async def test_without_an_answer_the_run_still_waits(self) -> None:
        """``invoke(None)`` passes breakpoints, never a question (B19)."""
        graph = graph_of(left)
        await graph.invoke({"log": []}, T)
        result = await graph.invoke(None, T)
        assert (result.status, [item.id for item in result.interrupts]) == ("interrupted", ["int-t-0"])

    async def test_a_new_run_gives_the_question_up(self) -> None:
        graph = graph_of(left)
        await graph.invoke({"log": ["first"]}, T)
        result = await graph.invoke({"log": ["second"]}, T)
        assert [item.id for item in result.interrupts] == ["int-t-1"]
        assert result.values == {"log": ["second"]}

    async def test_a_thread_that_runs_takes_no_new_run(self) -> None:
        started = asyncio.Event()

        async def busy(state: State) -> dict[str, Any]:
            started.set()
            await asyncio.sleep(0.2)
            return {"log": ["done"]}

        graph = graph_of(busy)
        running = asyncio.create_task(graph.invoke({"log": []}, T))
        await started.wait()
        with pytest.raises(RunConflictError, match="'t' is running"):
            await graph.invoke({"log": []}, T)
        assert (await running).values == {"log": ["done"]}

    async def test_the_trace_of_a_call(self) -> None:
        """Oris's three kinds, in order (2.9)."""
        graph = graph_of(left)
        first = await graph.invoke({"log": []}, T)
        second = await graph.invoke(Command(resume="yes"), T)
        assert [next(iter(entry)) for entry in first.trace] == ["InterruptReached"]
        assert [next(iter(entry)) for entry in second.trace] == ["ResumeReceived", "StepCompleted"]
        assert second.trace[0]["ResumeReceived"]["value"] == "yes"
        assert second.trace[1]["StepCompleted"]["node"] == "left"


class TestDeadlines:
    @both_sides
    async def test_the_default_is_taken(self, side: str) -> None:
        graph = asking(side, "ok?", timeout=0.1, default={"ok": False})
        result = await graph.invoke({"log": []}, T)
        [item] = result.interrupts
        assert item.deadline is not None
        assert 0 < (item.deadline - item.created_at).total_seconds() <= 0.1

        async def done() -> Any:
            return (await graph.get_state(T)).values["log"]

        assert await eventually(done) == [{"ok": False}]
        assert await pending(graph) == []

    @both_sides
    async def test_none_is_a_default(self, side: str) -> None:
        graph = asking(side, "ok?", timeout=0.1, default=None)
        await graph.invoke({"log": []}, T)

        async def done() -> Any:
            return (await graph.get_state(T)).values["log"]

        assert await eventually(done) == [None]

    @both_sides
    async def test_without_a_default_the_run_fails(self, side: str) -> None:
        async def ask(state: State) -> dict[str, Any]:
            return {"log": [await interrupt("ok?", timeout=0.05)]}

        async def busy(state: State) -> dict[str, Any]:
            await asyncio.sleep(10)
            return {}

        graph = StateGraph(State).add_node("ask", ask, run_as=side).add_node("busy", busy)  # type: ignore[arg-type]
        graph.add_edge(START, "ask").add_edge(START, "busy").add_edge("ask", END).add_edge("busy", END)
        with pytest.raises(InterruptTimeoutError, match=r"desk\.ask.*'int-t-0'.*no default"):
            await graph.compile(name="desk").invoke({"log": []}, T)

    async def test_an_answer_that_comes_too_late(self) -> None:
        graph = asking("workflow", "ok?", timeout=0.05)
        await graph.invoke({"log": []}, T)
        await asyncio.sleep(0.2)
        with pytest.raises(NotInterruptedError, match="'t' is failed"):
            await graph.invoke(Command(resume="late"), T)

    async def test_a_workflow_node_may_catch_it(self) -> None:
        async def ask(state: State, ctx: Context) -> dict[str, Any]:
            try:
                return {"log": [await ctx.interrupt("ok?", timeout=0.05)]}
            except InterruptTimeoutError:
                return {"log": ["nobody came"]}

        graph = graph_of(ask)
        await graph.invoke({"log": []}, T)

        async def done() -> Any:
            return (await graph.get_state(T)).values["log"]

        assert await eventually(done) == ["nobody came"]

    @both_sides
    async def test_an_answer_in_time_wins(self, side: str) -> None:
        graph = asking(side, "ok?", timeout=30, default="late")
        await graph.invoke({"log": []}, T)
        async with asyncio.timeout(5):
            result = await graph.invoke(Command(resume="in time"), T)
        assert result.values == {"log": ["in time"]}

    async def test_the_other_question_stays(self) -> None:
        async def hasty(state: State, ctx: Context) -> dict[str, Any]:
            return {"log": [await ctx.interrupt("hasty?", timeout=0.05, default="default")]}

        graph = graph_of(hasty, right)
        await graph.invoke({"log": []}, T)

        async def one_left() -> Any:
            return len(await pending(graph)) == 1

        await eventually(one_left)
        result = await graph.invoke(Command(resume="R"), T)
        assert result.values == {"log": ["default", ["right", "R"]]}

    @pytest.mark.parametrize("timeout", ["soon", -1])
    @both_sides
    async def test_a_timeout_is_a_duration(self, side: str, timeout: Any) -> None:
        with pytest.raises(Exception, match=r"desk\.ask"):
            await asking(side, "ok?", timeout=timeout).invoke({"log": []}, T)


class TestEscalation:
    @both_sides
    async def test_the_interrupt_is_marked_and_still_waits(self, side: str) -> None:
        graph = asking(side, "ok?", escalate_after=0.05)
        result = await graph.invoke({"log": []}, T)
        assert not result.interrupts[0].escalated

        async def escalated() -> Any:
            return (await pending(graph))[0].escalated

        await eventually(escalated)
        assert (await graph.invoke(Command(resume="yes"), T)).values == {"log": ["yes"]}

    async def test_an_early_answer_stops_it(self) -> None:
        graph = asking("workflow", "ok?", escalate_after=30)
        await graph.invoke({"log": []}, T)
        async with asyncio.timeout(5):
            result = await graph.invoke(Command(resume="yes"), T)
        assert result.values == {"log": ["yes"]}

    async def test_then_the_deadline(self) -> None:
        graph = asking("workflow", "ok?", escalate_after=0.05, timeout=0.1, default="default")
        await graph.invoke({"log": []}, T)

        async def done() -> Any:
            return (await graph.get_state(T)).values["log"]

        assert await eventually(done) == ["default"]


_SCRIPT = """
import asyncio
from typing import TypedDict
from pydantic import BaseModel
from oris_temporal import END, START, Command, StateGraph, interrupt

class State(TypedDict):
    log: list

class Decision(BaseModel):
    ok: bool

async def ask(state):
    return {"log": [(await interrupt("?", schema=Decision)).ok]}

async def main():
    graph = StateGraph(State).add_node("ask", ask, run_as="SIDE").add_edge(START, "ask").add_edge("ask", END)
    compiled = graph.compile(name="desk")
    thread = {"configurable": {"thread_id": "t"}}
    await compiled.invoke({"log": []}, thread)
    print((await compiled.invoke(Command(resume={"ok": True}), thread)).values["log"])

asyncio.run(main())
"""


class TestSchema:
    @both_sides
    async def test_the_answer_is_an_instance(self, side: str) -> None:
        kinds: list[type] = []

        async def ask(state: State) -> dict[str, Any]:
            answer = await interrupt("ok?", schema=Decision)
            kinds.append(type(answer))
            return {"log": [answer]}

        graph = StateGraph(State).add_node("ask", ask, run_as=side)  # type: ignore[arg-type]
        compiled = graph.add_edge(START, "ask").add_edge("ask", END).compile(name="desk")
        await compiled.invoke({"log": []}, T)
        result = await compiled.invoke(Command(resume={"ok": True}), T)
        assert result.values == {"log": [{"ok": True, "reason": ""}]}
        assert kinds == [Decision]

    @both_sides
    async def test_people_are_shown_the_schema(self, side: str) -> None:
        result = await asking(side, "ok?", schema=Decision).invoke({"log": []}, T)
        schema = result.interrupts[0].answer_schema
        assert schema is not None
        assert schema["required"] == ["ok"]

    @both_sides
    @pytest.mark.parametrize(
        ("schema", "bad", "place"),
        [(Decision, {"reason": "x"}, "ok"), (Choice, {"number": "many"}, "number"), (Rating, {"stars": 4}, "stars")],
    )
    async def test_an_answer_that_does_not_fit_is_refused(self, side: str, schema: type, bad: Any, place: str) -> None:
        """Nothing is recorded, and a proper answer still counts."""
        graph = asking(side, "ok?", schema=schema)
        await graph.invoke({"log": []}, T)
        with pytest.raises(InvalidAnswerError, match=rf"'int-t-0' does not fit.*{place}"):
            await graph.invoke(Command(resume=bad), T)
        assert len(await pending(graph)) == 1
        good = {"ok": False, "number": 1, "stars": 3}
        proper = {key: good[key] for key in [place]}
        assert (await graph.invoke(Command(resume=proper), T)).status == "completed"

    @both_sides
    async def test_one_bad_answer_of_several_refuses_them_all(self, side: str) -> None:
        async def strict(state: State) -> dict[str, Any]:
            return {"log": [await interrupt("strict?", schema=Decision)]}

        graph = graph_of(strict, right)
        result = await graph.invoke({"log": []}, T)
        ids = {item.node: item.id for item in result.interrupts}
        with pytest.raises(InvalidAnswerError):
            await graph.invoke(Command(resume={ids["right"]: 1, ids["strict"]: {}}), T)
        assert len(await pending(graph)) == 2

    async def test_a_local_class_cannot_be_found_again(self) -> None:
        class Local(BaseModel):
            ok: bool

        with pytest.raises(Exception, match=r"Local.*top level of a module"):
            await asking("workflow", "ok?", schema=Local).invoke({"log": []}, T)

    @both_sides
    def test_a_class_of_a_notebook_or_script(self, side: str) -> None:
        """Such classes live in ``__main__``."""
        script = _SCRIPT.replace("SIDE", side)
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert (done.stdout, done.stderr) == ("[True]\n", "")

    @both_sides
    async def test_the_default_must_fit(self, side: str) -> None:
        """A default that the schema refuses is a mistake of the node, told at once rather than at the deadline."""
        with pytest.raises(Exception, match=r"desk\.ask"):
            await asking(side, "ok?", schema=Decision, timeout=30, default="no").invoke({"log": []}, T)


class TestBreakpoints:
    def line(self, **options: Any) -> CompiledGraph:
        graph = StateGraph(State)
        for name in "abc":
            graph.add_node(name, lambda state, name=name: {"log": [name]})
        graph.add_edge(START, "a").add_edge("a", "b").add_edge("b", "c").add_edge("c", END)
        return graph.compile(name="line", **options)

    @pytest.mark.parametrize(("kind", "node", "log"), [("before", "b", ["a"]), ("after", "b", ["a", "b"])])
    async def test_a_breakpoint_is_a_payload_less_interrupt(self, kind: str, node: str, log: list[str]) -> None:
        result = await self.line(**{f"interrupt_{kind}": [node]}).invoke({"log": []}, T)
        [item] = result.interrupts
        assert (item.kind, item.node, item.value) == (kind, node, None)
        assert result.values == {"log": log}

    async def test_go_on_without_a_value(self) -> None:
        graph = self.line(interrupt_before=["b"])
        await graph.invoke({"log": []}, T)
        assert (await graph.invoke(None, T)).values == {"log": ["a", "b", "c"]}

    async def test_or_with_a_resume(self) -> None:
        graph = self.line(interrupt_before=["b"])
        await graph.invoke({"log": []}, T)
        assert (await graph.invoke(Command(resume=None), T)).values == {"log": ["a", "b", "c"]}

    async def test_before_and_after_the_same_node(self) -> None:
        graph = self.line(interrupt_before=["b"], interrupt_after=["b"])
        seen = [(await graph.invoke({"log": []}, T)).interrupts[0].kind]
        seen.append((await graph.invoke(None, T)).interrupts[0].kind)
        assert seen == ["before", "after"]
        assert (await graph.invoke(None, T)).status == "completed"

    async def test_two_nodes_of_one_superstep_stop_it_once(self) -> None:
        graph = StateGraph(State)
        for name in "ab":
            graph.add_node(name, lambda state, name=name: {"log": [name]}).add_edge(START, name).add_edge(name, END)
        compiled = graph.compile(name="pair", interrupt_before=["a", "b"])
        result = await compiled.invoke({"log": []}, T)
        assert result.next == ["a", "b"]
        assert (await compiled.invoke(None, T)).status == "completed"

    async def test_after_the_last_node(self) -> None:
        """The run still stops there: somebody asked to look at it."""
        graph = self.line(interrupt_after=["c"])
        result = await graph.invoke({"log": []}, T)
        assert (result.status, result.next) == ("interrupted", [])
        assert (await graph.invoke(None, T)).status == "completed"


@pytest.mark.parametrize(
    ("interrupt_id", "thread_id"),
    [
        ("int-t1-0", "t1"),
        ("int-a-b-12", "a-b"),
        ("int-int-list-1-0", "int-list-1"),
        ("int- -0", " "),
        ("int--0", None),
        ("int-t1", None),
        ("int-t1-", None),
        ("int-t1-x", None),
        ("t1-0", None),
        (" ", None),
    ],
)
def test_thread_of_an_interrupt(interrupt_id: str, thread_id: str | None) -> None:
    assert thread_of(interrupt_id) == thread_id
