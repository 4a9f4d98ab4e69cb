"""Checkpoints in process: reading them, editing the state, replaying and forking."""

from __future__ import annotations

import itertools
import operator
from collections import Counter
from typing import Annotated, Any, TypedDict

import pytest

from oris_temporal import END, START, Command, CompiledGraph, Context, StateGraph
from oris_temporal.graph.errors import (
    CheckpointNotFoundError,
    InvalidUpdateError,
    NodeNotFoundError,
    ThreadNotFoundError,
)

T = {"configurable": {"thread_id": "t"}}


class State(TypedDict):
    log: Annotated[list[str], operator.add]
    n: int


class Line:
    """Nodes in a row that write their names, and how often each ran."""

    def __init__(self, nodes: str = "a b c", **options: Any) -> None:
        self.ran: Counter[str] = Counter()
        graph = StateGraph(State)
        path = [START, *nodes.split(), END]
        for name in path[1:-1]:
            graph.add_node(name, self._node(name))
        for source, target in itertools.pairwise(path):
            graph.add_edge(source, target)
        self.graph = graph.compile(name="line", **options)

    def _node(self, name: str) -> Any:
        def call(state: State) -> dict[str, Any]:
            self.ran[name] += 1
            return {"log": [name]}

        return call

    async def run(self) -> None:
        await self.graph.invoke({"log": []}, T)

    async def ids(self) -> list[str]:
        """Checkpoint ids, oldest first."""
        return [item.checkpoint_id for item in await self.graph.get_state_history(T, order="oldest")]


def at(checkpoint_id: str) -> dict[str, Any]:
    return {"configurable": {"thread_id": "t", "checkpoint_id": checkpoint_id}}


class TestReading:
    async def test_the_latest_state(self) -> None:
        line = Line()
        await line.run()
        snapshot = await line.graph.get_state(T)
        assert (snapshot.values, snapshot.next) == ({"log": ["a", "b", "c"]}, [])
        assert snapshot.config["thread_id"] == "t"

    async def test_a_named_checkpoint(self) -> None:
        line = Line()
        await line.run()
        snapshot = await line.graph.get_state(at((await line.ids())[1]))
        assert (snapshot.values, snapshot.next) == ({"log": ["a"]}, ["b"])

    async def test_ids_are_deterministic(self) -> None:
        """Run ordinal and step (2.7)."""
        line = Line("a b")
        await line.run()
        await line.run()
        assert await line.ids() == [f"000{run}-00000{step}" for run in (1, 2) for step in (1, 2, 3)]

    async def test_limit_and_before_and_order(self) -> None:
        line = Line()
        await line.run()
        ids = await line.ids()
        history = line.graph.get_state_history
        assert [item.checkpoint_id for item in await history(T, limit=2)] == [ids[3], ids[2]]
        assert [item.checkpoint_id for item in await history(T, before=ids[2])] == [ids[1], ids[0]]
        assert [item.checkpoint_id for item in await history(T, order="oldest", limit=1)] == [ids[0]]

    async def test_an_unknown_order(self) -> None:
        line = Line()
        await line.run()
        with pytest.raises(Exception, match="newest"):
            await line.graph.get_state_history(T, order="sideways")

    async def test_an_unknown_thread(self) -> None:
        with pytest.raises(ThreadNotFoundError, match="'t'"):
            await Line().graph.get_state(T)

    async def test_an_unknown_checkpoint(self) -> None:
        line = Line()
        await line.run()
        with pytest.raises(CheckpointNotFoundError, match="'0009-000001'"):
            await line.graph.get_state(at("0009-000001"))

    async def test_metadata_says_what_was_written(self) -> None:
        line = Line("a b")
        await line.graph.invoke({"log": ["in"]}, T)
        history = await line.graph.get_state_history(T, order="oldest")
        assert [item.metadata["source"] for item in history] == ["input", "loop", "loop"]
        assert [item.metadata["step"] for item in history] == [1, 2, 3]
        assert history[0].metadata["writes"] == [["__input__", {"log": ["in"]}]]
        assert history[1].metadata["writes"] == [["a", {"log": ["a"]}]]

    async def test_a_snapshot_is_not_the_state_itself(self) -> None:
        line = Line()
        await line.run()
        (await line.graph.get_state(T)).values["log"].append("scribble")
        assert (await line.graph.get_state(T)).values == {"log": ["a", "b", "c"]}


class TestReplay:
    async def test_only_what_comes_after_runs(self) -> None:
        line = Line()
        await line.run()
        result = await line.graph.invoke(None, at((await line.ids())[1]))
        assert result.values == {"log": ["a", "b", "c"]}
        assert line.ran == {"a": 1, "b": 2, "c": 2}

    async def test_the_config_of_a_snapshot_will_do(self) -> None:
        line = Line()
        await line.run()
        snapshot = (await line.graph.get_state_history(T))[1]
        result = await line.graph.invoke(None, {"configurable": snapshot.config})
        assert result.values == {"log": ["a", "b", "c"]}
        assert line.ran == {"a": 1, "b": 1, "c": 2}

    async def test_of_the_last_checkpoint_runs_nothing(self) -> None:
        line = Line()
        await line.run()
        result = await line.graph.invoke(None, at((await line.ids())[-1]))
        assert (result.status, result.values) == ("completed", {"log": ["a", "b", "c"]})
        assert line.ran == {"a": 1, "b": 1, "c": 1}

    async def test_twice_gives_the_same(self) -> None:
        line = Line()
        await line.run()
        first = (await line.ids())[1]
        results = [(await line.graph.invoke(None, at(first))).values for _ in range(2)]
        assert results == [{"log": ["a", "b", "c"]}] * 2

    async def test_the_branch_names_where_it_comes_from(self) -> None:
        line = Line("a b")
        await line.run()
        ids = await line.ids()
        await line.graph.invoke(None, at(ids[1]))
        branch = (await line.graph.get_state_history(T, order="oldest"))[len(ids) :]
        assert branch[0].metadata["source"] == "fork"
        assert branch[0].parent_config is not None
        assert branch[0].parent_config["checkpoint_id"] == ids[1]
        assert branch[0].values == {"log": ["a"]}

    async def test_an_input_beside_a_checkpoint_is_refused(self) -> None:
        """Oris throws the input away in silence (2.10)."""
        line = Line()
        await line.run()
        with pytest.raises(Exception, match="checkpoint"):
            await line.graph.invoke({"log": ["new"]}, at((await line.ids())[1]))

    async def test_in_the_middle_of_a_join(self) -> None:
        """Sources that had finished count."""
        ran: Counter[str] = Counter()

        def says(name: str) -> Any:
            def say(state: State) -> dict[str, Any]:
                ran[name] += 1
                return {"log": [name]}

            return say

        graph = StateGraph(State)
        for name in ("short", "l1", "l2", "join"):
            graph.add_node(name, says(name))
        graph.add_edge(START, "short").add_edge(START, "l1").add_edge("l1", "l2").add_edge(["short", "l2"], "join")
        compiled = graph.add_edge("join", END).compile(name="joining")
        await compiled.invoke({"log": []}, T)
        middle = (await compiled.get_state_history(T, order="oldest"))[1]
        assert middle.next == ["l2"]
        result = await compiled.invoke(None, at(middle.checkpoint_id))
        assert result.values["log"] == ["short", "l1", "l2", "join"]
        assert ran == {"short": 1, "l1": 1, "l2": 2, "join": 2}


class TestUpdateState:
    async def test_it_returns_the_config_of_a_new_checkpoint(self) -> None:
        line = Line(interrupt_before=["b"])
        await line.run()
        config = await line.graph.update_state(T, {"n": 5})
        snapshot = await line.graph.get_state(config)
        assert snapshot.values == {"log": ["a"], "n": 5}
        assert snapshot.metadata["source"] == "update"

    async def test_it_goes_through_the_reducers(self) -> None:
        line = Line(interrupt_before=["b"])
        await line.run()
        await line.graph.update_state(T, {"log": ["edited"]})
        assert (await line.graph.invoke(None, T)).values == {"log": ["a", "edited", "b", "c"]}

    async def test_as_node_goes_on_after_it(self) -> None:
        line = Line(interrupt_before=["b"])
        await line.run()
        await line.graph.update_state(T, {"log": ["b by hand"]}, as_node="b")
        assert (await line.graph.invoke(None, T)).values == {"log": ["a", "b by hand", "c"]}
        assert line.ran == {"a": 1, "c": 1}

    async def test_as_the_last_node_ends_the_run(self) -> None:
        line = Line(interrupt_before=["b"])
        await line.run()
        await line.graph.update_state(T, {"log": ["c by hand"]}, as_node="c")
        result = await line.graph.invoke(None, T)
        assert (result.status, result.values) == ("completed", {"log": ["a", "c by hand"]})

    async def test_of_an_older_checkpoint_is_a_fork_that_waits(self) -> None:
        line = Line()
        await line.run()
        first = (await line.ids())[1]
        config = await line.graph.update_state(at(first), {"log": ["other"]})
        snapshot = await line.graph.get_state(config)
        assert (snapshot.values, snapshot.next) == ({"log": ["a", "other"]}, ["b"])
        assert line.ran == {"a": 1, "b": 1, "c": 1}
        assert (await line.graph.invoke(None, T)).values == {"log": ["a", "other", "b", "c"]}

    async def test_of_a_finished_thread(self) -> None:
        line = Line()
        await line.run()
        await line.graph.update_state(T, {"n": 1})
        snapshot = await line.graph.get_state(T)
        assert (snapshot.values, snapshot.next) == ({"log": ["a", "b", "c"], "n": 1}, [])

    async def test_as_node_of_a_finished_thread_runs_the_rest_again(self) -> None:
        line = Line()
        await line.run()
        await line.graph.update_state(T, {"log": ["again"]}, as_node="b")
        assert (await line.graph.get_state(T)).next == ["c"]
        assert (await line.graph.invoke(None, T)).values["log"] == ["a", "b", "c", "again", "c"]

    async def test_beside_a_question_the_question_stays(self) -> None:
        async def ask(state: State, ctx: Context) -> dict[str, Any]:
            return {"log": [await ctx.interrupt("ok?")]}

        graph = StateGraph(State).add_node("ask", ask).add_edge(START, "ask").add_edge("ask", END)
        compiled = graph.compile(name="asking")
        await compiled.invoke({"log": []}, T)
        await compiled.update_state(T, {"n": 1})
        assert [item.value for item in (await compiled.get_state(T)).interrupts] == ["ok?"]
        assert (await compiled.invoke(Command(resume="yes"), T)).values == {"log": ["yes"], "n": 1}

    @pytest.mark.parametrize(
        ("values", "as_node", "error"),
        [
            ({"typo": 1}, None, InvalidUpdateError),
            ({"n": "x"}, None, InvalidUpdateError),
            ({"n": 1}, "zzz", NodeNotFoundError),
        ],
    )
    async def test_a_mistake_changes_nothing(self, values: Any, as_node: Any, error: type[Exception]) -> None:
        line = Line(interrupt_before=["b"])
        await line.run()
        before = await line.ids()
        with pytest.raises(error):
            await line.graph.update_state(T, values, as_node=as_node)
        assert await line.ids() == before
        assert (await line.graph.invoke(None, T)).values == {"log": ["a", "b", "c"]}

    async def test_a_mistake_of_a_finished_thread_changes_nothing(self) -> None:
        line = Line()
        await line.run()
        with pytest.raises(InvalidUpdateError):
            await line.graph.update_state(T, {"n": "x"})
        assert (await line.graph.get_state(T)).values == {"log": ["a", "b", "c"]}
        assert len(await line.ids()) == 4

    async def test_an_unknown_thread(self) -> None:
        with pytest.raises(ThreadNotFoundError):
            await Line().graph.update_state(T, {"n": 1})

    async def test_the_state_of_a_subgraph_is_not_edited(self) -> None:
        line = Line(interrupt_before=["b"])
        await line.run()
        with pytest.raises(InvalidUpdateError, match="subgraph"):
            await line.graph.update_state(
                {"configurable": {"thread_id": "t", "checkpoint_ns": "sub:1/sub/0"}}, {"n": 1}
            )
        assert (await line.graph.get_state(T)).values == {"log": ["a"]}


class TestResults:
    async def test_changing_one_does_not_change_the_thread(self) -> None:
        line = Line(interrupt_before=["b"])
        result = await line.graph.invoke({"log": []}, T)
        result.values["log"].append("mine")
        snapshot = await line.graph.get_state(T)
        snapshot.values["log"].append("mine too")
        assert (await line.graph.get_state(T)).values == {"log": ["a"]}
        assert (await line.graph.invoke(None, T)).values == {"log": ["a", "b", "c"]}


class TestCommands:
    async def test_a_goto_to_an_unknown_node_changes_nothing(self) -> None:
        line = Line(interrupt_before=["b"])
        await line.run()
        with pytest.raises(NodeNotFoundError, match="'zzz'"):
            await line.graph.invoke(Command(update={"log": ["x"]}, goto="zzz"), T)
        assert (await line.graph.get_state(T)).values == {"log": ["a"]}
        assert (await line.graph.invoke(None, T)).values == {"log": ["a", "b", "c"]}

    async def test_a_goto_from_a_checkpoint(self) -> None:
        """A `Command` with a checkpoint id forks there (B24)."""
        line = Line()
        await line.run()
        result = await line.graph.invoke(Command(goto="c"), at((await line.ids())[1]))
        assert result.values == {"log": ["a", "c"]}

    async def test_a_new_run_starts_afresh(self) -> None:
        line = Line("a")
        await line.run()
        assert (await line.graph.invoke({"log": ["x"], "n": 1}, T)).values == {"log": ["x", "a"], "n": 1}
        assert len(await line.ids()) == 4


class TestSubgraphs:
    def parent(self) -> tuple[CompiledGraph, Counter[str]]:
        ran: Counter[str] = Counter()

        def says(name: str) -> Any:
            def say(state: State) -> dict[str, Any]:
                ran[name] += 1
                return {"log": [name]}

            return say

        async def ask(state: State, ctx: Context) -> dict[str, Any]:
            ran["ask"] += 1
            return {"log": [await ctx.interrupt("ok?")]}

        child = StateGraph(State).add_node("c1", says("c1")).add_node("ask", ask).add_node("c2", says("c2"))
        child.add_edge(START, "c1").add_edge("c1", "ask").add_edge("ask", "c2").add_edge("c2", END)
        graph = StateGraph(State).add_node("a", says("a")).add_node("child", child.compile(name="child"))
        graph.add_edge(START, "a").add_edge("a", "child").add_edge("child", END)
        return graph.compile(name="parent"), ran

    async def test_a_namespace_has_checkpoints_of_its_own(self) -> None:
        graph, _ = self.parent()
        result = await graph.invoke({"log": []}, T)
        namespace = result.interrupts[0].namespace
        inside = {"configurable": {"thread_id": "t", "checkpoint_ns": namespace}}
        snapshot = await graph.get_state(inside)
        assert (snapshot.values, snapshot.next) == ({"log": ["a", "c1"]}, ["ask"])
        assert [item.next for item in await graph.get_state_history(inside)] == [["ask"], ["c1"]]

    async def test_a_fork_at_a_pause_inside_continues_inside(self) -> None:
        """The checkpoint of the whole thread holds where its subgraphs are."""
        graph, ran = self.parent()
        await graph.invoke({"log": []}, T)
        paused = await graph.get_state(T)
        await graph.invoke(Command(resume="first"), T)
        again = await graph.invoke(None, {"configurable": paused.config})
        assert [item.value for item in again.interrupts] == ["ok?"]
        done = await graph.invoke(Command(resume="second"), T)
        assert done.values == {"log": ["a", "c1", "second", "c2"]}
        assert ran["a"] == 1
