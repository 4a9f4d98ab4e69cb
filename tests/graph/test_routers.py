"""Routers: what they see, what they may return, and the error when they return something else."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import pytest

from oris_temporal import END, START, Command, Send, StateGraph
from oris_temporal.graph.errors import ConditionError, InvalidUpdateError, NodeNotFoundError, SerializationError


class State(TypedDict):
    log: Annotated[list[str], operator.add]


def says(name: str) -> Any:
    def say(state: State) -> dict[str, Any]:
        return {"log": [name]}

    return say


def routed(router: Any, mapping: Any = None, source: str = "a") -> StateGraph:
    """a, then whatever the router says of b and c."""
    graph = StateGraph(State)
    for name in "abc":
        graph.add_node(name, says(name))
    graph.add_edge("b", END).add_edge("c", END).add_conditional_edges(source, router, mapping)
    return graph.add_edge(START, "a") if source == "a" else graph.add_edge("a", END).add_edge(START, "a")


async def log_of(graph: StateGraph) -> list[str]:
    result = await graph.compile(name="shop").invoke({"log": []})
    return list(result.values["log"])


async def error_of(graph: StateGraph, error: type[Exception] = ConditionError) -> str:
    with pytest.raises(error) as raised:
        await graph.compile(name="shop").invoke({"log": []})
    return str(raised.value)


class TestReturns:
    async def test_a_tuple_is_a_list(self) -> None:
        assert await log_of(routed(lambda state: ("c", "b"))) == ["a", "c", "b"]

    async def test_a_set_is_sorted_by_name(self) -> None:
        """Never in hash order (2.3.1)."""
        assert await log_of(routed(lambda state: {"c", "b"})) == ["a", "b", "c"]

    async def test_one_send(self) -> None:
        assert await log_of(routed(lambda state: Send("b", {}))) == ["a", "b"]

    async def test_a_send_beside_a_mapping_names_its_node(self) -> None:
        graph = routed(lambda state: [Send("c", {}), "left"], {"left": "b", "right": "c"})
        assert await log_of(graph) == ["a", "c", "b"]

    async def test_end_among_others_ends_nothing(self) -> None:
        assert await log_of(routed(lambda state: [END, "b"])) == ["a", "b"]

    async def test_the_same_name_twice_runs_once(self) -> None:
        assert await log_of(routed(lambda state: ["b", "b"])) == ["a", "b"]

    async def test_end_beside_a_mapping_without_it(self) -> None:
        """What a mapping does not have is an error, END included."""
        assert "'__end__'" in await error_of(routed(lambda state: END, {"x": "b", "y": "c"}))

    async def test_a_bound_method_and_a_callable_object(self) -> None:
        class Chooser:
            def choose(self, state: State) -> str:
                return "b"

            def __call__(self, state: State) -> str:
                return "c"

        assert await log_of(routed(Chooser().choose)) == ["a", "b"]
        assert await log_of(routed(Chooser())) == ["a", "c"]


class TestState:
    async def test_each_router_runs_once_per_finished_task(self) -> None:
        calls: list[list[str]] = []

        def watch(state: State) -> str:
            calls.append(list(state["log"]))
            return "b"

        assert await log_of(routed(watch)) == ["a", "b"]
        assert calls == [["a"]]

    async def test_changes_to_the_state_go_nowhere(self) -> None:
        def scribble(state: State) -> str:
            state["log"].append("scribble")
            return "b"

        assert await log_of(routed(scribble)) == ["a", "b"]

    async def test_a_router_from_start_sees_the_input(self) -> None:
        graph = StateGraph(State).add_node("a", says("a")).add_edge("a", END)
        graph.add_conditional_edges(START, lambda state: "a" if state["log"] == ["go"] else END, ["a", END])
        assert (await graph.compile(name="shop").invoke({"log": ["go"]})).values["log"] == ["go", "a"]


class TestErrors:
    """They name the source node, the router and what it returned (2.5)."""

    async def test_an_unknown_node(self) -> None:
        message = await error_of(routed(lambda state: "nowhere"))
        assert "shop.a" in message
        assert "'nowhere'" in message
        assert "a, b, c" in message

    async def test_a_key_that_the_mapping_lacks(self) -> None:
        def choose(state: State) -> str:
            return "maybe"

        message = await error_of(routed(choose, {"yes": "b", "no": "c"}))
        assert "shop.a: router choose()" in message
        assert "'maybe'" in message
        assert "'yes', 'no'" in message

    @pytest.mark.parametrize("mapping", [None, {"x": "b", "y": "c"}])
    @pytest.mark.parametrize("returned", [None, 42, 1.5, {"node": "b"}, object()])
    async def test_nonsense(self, returned: Any, mapping: Any) -> None:
        message = await error_of(routed(lambda state: returned, mapping))
        assert "shop.a" in message
        assert "returned" in message

    async def test_start_is_no_destination(self) -> None:
        assert "'__start__'" in await error_of(routed(lambda state: START))

    async def test_a_command_is_for_nodes(self) -> None:
        assert "shop.a" in await error_of(routed(lambda state: Command(goto="b")))

    async def test_a_router_that_raises(self) -> None:
        def choose(state: State) -> str:
            raise KeyError("colour")

        message = await error_of(routed(choose))
        assert "shop.a: router choose() raised KeyError: 'colour'" in message

    async def test_a_send_to_an_unknown_node(self) -> None:
        assert "'nowhere'" in await error_of(routed(lambda state: Send("nowhere", {})))

    async def test_a_send_without_a_json_form(self) -> None:
        message = await error_of(routed(lambda state: Send("b", object())), SerializationError)
        assert "shop.a" in message

    async def test_details_are_for_programs(self) -> None:
        with pytest.raises(ConditionError) as raised:
            await routed(lambda state: "nowhere").compile(name="shop").invoke({"log": []})
        assert raised.value.code == "condition"
        assert raised.value.details == {"node": "a", "key": "'nowhere'"}


class TestCommands:
    def commanding(self, **command: Any) -> StateGraph:
        def a(state: State) -> Command:
            return Command(**command)

        return StateGraph(State).add_node("a", a).add_node("b", says("b")).add_edge(START, "a").add_edge("b", END)

    async def test_an_unknown_destination(self) -> None:
        for goto in ("nowhere", ["b", Send("nowhere", {})]):
            message = await error_of(self.commanding(goto=goto), NodeNotFoundError)
            assert message == "shop.a: its Command goes to 'nowhere', which is no node of shop (it has a, b)."

    async def test_a_destination_of_the_wrong_type(self) -> None:
        message = await error_of(self.commanding(goto=[42]), InvalidUpdateError)
        assert "shop.a" in message
        assert "goto=42" in message

    async def test_an_unknown_field(self) -> None:
        assert "shop.a wrote field 'typo'" in await error_of(self.commanding(update={"typo": 1}), InvalidUpdateError)

    @pytest.mark.parametrize("returned", ["b", Send("b", {})])
    async def test_a_destination_needs_a_command(self, returned: Any) -> None:
        graph = StateGraph(State).add_node("a", lambda state: returned).add_node("b", says("b"))
        graph.add_edge(START, "a").add_edge("a", "b").add_edge("b", END)
        assert "Command(goto=...)" in await error_of(graph, InvalidUpdateError)

    async def test_resume_is_not_for_nodes(self) -> None:
        """An answer comes from outside; a node that returns one made a mistake that should not pass in silence."""
        assert "shop.a" in await error_of(self.commanding(resume=1), InvalidUpdateError)
