"""What declaring and compiling a graph checks: every error names the node, and says what to do."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

import pytest
from pydantic import BaseModel

from oris_temporal import END, START, Command, CompiledGraph, Context, RetryPolicy, Send, StateGraph, Store
from oris_temporal.graph.errors import GraphCompileError, GraphError, InvalidOptionError, NodeError


class State(TypedDict):
    log: Annotated[list[str], operator.add]
    n: int


class Other(TypedDict):
    text: str


def step(state: State) -> dict[str, Any]:
    return {"log": ["step"]}


def graph_of(*names: str) -> StateGraph:
    graph = StateGraph(State)
    for name in names:
        graph.add_node(name, step)
    return graph


def yielding(state: State) -> Any:
    yield END


def line(*names: str, **options: Any) -> StateGraph:
    """A graph of nodes in a row."""
    graph = graph_of(*names)
    path = [START, *names, END]
    for source, target in itertools.pairwise(path):
        graph.add_edge(source, target)
    return graph


def compile_error(graph: StateGraph, **options: Any) -> str:
    with pytest.raises(GraphCompileError) as raised:
        graph.compile(name="shop", **options)
    return str(raised.value)


def declare_error(declare: Callable[[], Any]) -> str:
    with pytest.raises(GraphCompileError) as raised:
        declare()
    return str(raised.value)


class TestOptionsWithoutEffect:
    @pytest.mark.parametrize(
        "options",
        [
            {"retry": RetryPolicy()},
            {"timeout": "10m"},
            {"total_timeout": "1h"},
            {"schedule_to_start": "1m"},
            {"heartbeat": "30s"},
            {"task_queue": "gpu"},
            {"priority": 1},
            {"summary": "pays"},
        ],
        ids=lambda options: next(iter(options)),
    )
    @pytest.mark.parametrize("kind", ["workflow", "graph"])
    def test_inside_a_workflow(self, kind: str, options: dict[str, Any]) -> None:
        async def decide(state: State, ctx: Context) -> dict[str, Any]:
            return {}

        node: Any = decide if kind == "workflow" else line("inner").compile(name="child")
        graph = StateGraph(State).add_node("pay", node, **options).add_edge(START, "pay").add_edge("pay", END)
        message = compile_error(graph)
        assert message.startswith("shop.pay")
        assert f"{next(iter(options))}= has no effect" in message

    @pytest.mark.parametrize("option", ["total_timeout", "heartbeat", "task_queue", "priority"])
    def test_of_a_local_activity(self, option: str) -> None:
        value: Any = {"task_queue": "gpu", "priority": 2}.get(option, "1m")
        graph = graph_of().add_node("pay", step, run_as="local", **{option: value})
        message = compile_error(graph.add_edge(START, "pay").add_edge("pay", END))
        assert f"{option}= has no effect on a local activity" in message
        assert "run_as='activity'" in message

    def test_a_task_queue_of_an_inline_graph(self) -> None:
        graph = graph_of().add_subgraph("pay", line("inner").compile(name="child"), task_queue="gpu")
        message = compile_error(graph.add_edge(START, "pay").add_edge("pay", END))
        assert "shop.pay: task_queue= has no effect" in message
        assert "run_as='child_workflow'" in message

    def test_where_they_have_one(self) -> None:
        child = line("inner").compile(name="child")
        graph = graph_of()
        graph.add_node("a", step, timeout="1m", total_timeout="1h", heartbeat="5s", task_queue="gpu", priority=1)
        graph.add_node("b", step, run_as="local", retry=RetryPolicy(), timeout="5s", summary="b")
        graph.add_subgraph("c", child, run_as="child_workflow", task_queue="gpu")
        graph.add_edge(START, "a").add_edge("a", "b").add_edge("b", "c").add_edge("c", END).compile(name="shop")

    @pytest.mark.parametrize("option", ["input", "output"])
    def test_what_maps_the_state_of_a_graph_is_a_function(self, option: str) -> None:
        graph = StateGraph(State).add_subgraph("pay", line("a").compile(name="inner"), **{option: 5})
        message = compile_error(graph.add_edge(START, "pay").add_edge("pay", END))
        assert f"shop.pay: {option}=5 is no function of the state" in message

    @pytest.mark.parametrize("graph", [5, None, StateGraph(State)])
    def test_a_subgraph_is_a_compiled_graph(self, graph: Any) -> None:
        message = declare_error(lambda: StateGraph(State).add_subgraph("pay", graph))
        assert "add_subgraph('pay') needs a compiled graph, not" in message

    def test_a_graph_runs_inline_or_as_a_child(self) -> None:
        odd: Any = "local"
        graph = graph_of().add_subgraph("pay", line("inner").compile(name="child"), run_as=odd)
        message = compile_error(graph.add_edge(START, "pay").add_edge("pay", END))
        assert "shop.pay: run_as='local'" in message


class TestNodeNames:
    def test_a_name_is_taken_once(self) -> None:
        message = declare_error(lambda: graph_of("pay").add_node("pay", step))
        assert "'pay'" in message
        assert "test_compile.py:" in message  # where the first one is

    @pytest.mark.parametrize("name", [START, END])
    def test_reserved_names(self, name: str) -> None:
        assert repr(name) in declare_error(lambda: graph_of(name))

    @pytest.mark.parametrize("name", ["", "1st", "two words", "a/b", "a:b", "a|b"])
    def test_malformed_names(self, name: str) -> None:
        message = declare_error(lambda: graph_of(name))
        assert repr(name) in message
        assert "must start with" in message

    def test_a_node_may_not_be_called_like_a_field(self) -> None:
        message = declare_error(lambda: graph_of("log"))
        assert "'log'" in message
        assert "Rename" in message

    def test_an_activity_function_shares_the_names_of_nodes(self) -> None:
        graph = graph_of("pay").add_activity(step, name="ship")
        assert "'ship'" in declare_error(lambda: graph.add_node("ship", step))
        assert "'pay'" in declare_error(lambda: graph.add_activity(step, name="pay"))

    def test_the_name_may_come_from_the_function(self) -> None:
        graph = StateGraph(State).add_node(step).add_edge(START, "step").add_edge("step", END)
        assert list(graph.compile(name="shop").nodes) == ["step"]

    def test_a_name_alone_is_not_a_node(self) -> None:
        assert "'pay'" in declare_error(lambda: StateGraph(State).add_node("pay"))

    def test_the_graph_needs_a_proper_name(self) -> None:
        with pytest.raises(GraphCompileError, match="'my graph' is no graph name"):
            line("a").compile(name="my graph")


class TestSignatures:
    def test_a_node_takes_the_state(self) -> None:
        def nothing() -> dict[str, Any]:
            return {}

        message = compile_error(StateGraph(State).add_node("pay", nothing))
        assert "shop.pay" in message
        assert "must take the state" in message

    def test_an_unknown_parameter(self) -> None:
        def pay(state: State, price: float) -> dict[str, Any]:
            return {}

        message = compile_error(StateGraph(State).add_node("pay", pay))
        assert "shop.pay" in message
        assert "'price'" in message
        assert "config" in message
        assert "ctx" in message

    def test_a_parameter_with_a_default_is_left_alone(self) -> None:
        def pay(state: State, price: float = 2.0) -> dict[str, Any]:
            return {}

        graph = StateGraph(State).add_node("pay", pay).add_edge(START, "pay").add_edge("pay", END)
        assert graph.compile(name="shop").nodes["pay"].name == "pay"

    def test_a_generator_is_no_node(self) -> None:
        def pay(state: State) -> Any:
            yield {}

        message = compile_error(StateGraph(State).add_node("pay", pay))
        assert "shop.pay" in message
        assert "writer" in message

    def test_something_that_cannot_be_called(self) -> None:
        graph = StateGraph(State).add_node("pay", 42)  # type: ignore[arg-type]
        assert "shop.pay" in compile_error(graph)

    @pytest.mark.parametrize("run_as", ["activity", "local"])
    def test_a_context_exists_only_in_the_workflow(self, run_as: Any) -> None:
        async def pay(state: State, ctx: Context) -> dict[str, Any]:
            return {}

        message = compile_error(StateGraph(State).add_node("pay", pay, run_as=run_as))
        assert "shop.pay" in message
        assert "Drop the parameter or the option" in message

    def test_a_parameter_annotated_context_may_have_any_name(self) -> None:
        async def pay(state: State, within: Context) -> dict[str, Any]:
            return {}

        graph = StateGraph(State).add_node("pay", pay).add_edge(START, "pay").add_edge("pay", END)
        assert graph.compile(name="shop").nodes["pay"].side == "workflow"


class TestStores:
    def test_a_plain_function_cannot_await_one(self) -> None:
        def pay(state: State, store: Store) -> dict[str, Any]:
            return {}

        message = compile_error(StateGraph(State).add_node("pay", pay))
        assert "shop.pay" in message
        assert "Make it async" in message

    async def test_a_parameter_called_store_with_a_value_of_its_own_keeps_it(self) -> None:
        def pay(state: State, store: str) -> dict[str, Any]:
            return {"log": [store]}

        node = functools.partial(pay, store="corner shop")
        graph = StateGraph(State).add_node("pay", node).add_edge(START, "pay").add_edge("pay", END)
        assert (await graph.compile(name="shop").invoke({})).values["log"] == ["corner shop"]

    def test_something_else_is_none(self) -> None:
        graph = StateGraph(State).add_node("pay", lambda state: {}).add_edge(START, "pay").add_edge("pay", END)
        with pytest.raises(GraphCompileError, match="neither a Store nor a function that makes one"):
            graph.compile(name="shop", store="sqlite:///x")  # type: ignore[arg-type]

    async def test_what_makes_one_must_make_one(self) -> None:
        async def pay(state: State, store: Store) -> dict[str, Any]:
            return {}

        graph = StateGraph(State).add_node("pay", pay).add_edge(START, "pay").add_edge("pay", END)
        with pytest.raises(NodeError, match=r"shop.*made \{\}, which is no Store"):
            await graph.compile(name="shop", store=dict).invoke({})  # type: ignore[arg-type]


class TestOptions:
    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("timeout", "soon"),
            ("timeout", -1),
            ("total_timeout", "1 fortnight"),
            ("heartbeat", "often"),
            ("schedule_to_start", "x"),
            ("priority", 0),
            ("priority", 6),
            ("run_as", "thread"),
            ("retry", 3),
            ("task_queue", ""),
            ("task_queue", 5),
            ("summary", 5),
            ("reads", "log"),
        ],
    )
    def test_a_bad_option_is_named_with_its_node(self, option: str, value: Any) -> None:
        message = compile_error(line("pay").add_node("ship", step, **{option: value}))
        assert "shop.ship" in message
        assert f"{option}" in message
        assert repr(value) in message or type(value).__name__ in message

    @pytest.mark.parametrize(
        "options", [{"maximum_attempts": -1}, {"backoff_coefficient": 0.5}, {"initial_interval": "soon"}]
    )
    def test_a_bad_retry_policy(self, options: dict[str, Any]) -> None:
        message = declare_error(lambda: RetryPolicy(**options))
        assert next(iter(options)) in message

    def test_a_node_reads_fields_of_the_state(self) -> None:
        message = compile_error(line("a").add_node("pay", step, reads=["price"]))
        assert "shop.pay" in message
        assert "'price'" in message

    @pytest.mark.parametrize("limit", [0, -1, "5", 1.5, True, None])
    def test_a_recursion_limit_is_a_positive_number(self, limit: Any) -> None:
        assert f"recursion_limit={limit!r}" in compile_error(line("a"), recursion_limit=limit)

    @pytest.mark.parametrize("option", ["interrupt_before", "interrupt_after"])
    @pytest.mark.parametrize("nodes", ["a", 5, None])
    def test_breakpoints_are_a_list_of_nodes(self, option: str, nodes: Any) -> None:
        assert f"{option}={nodes!r} must be a list of node names" in compile_error(line("a"), **{option: nodes})


class TestEdges:
    def test_an_unknown_target(self) -> None:
        message = compile_error(line("a").add_edge("a", "b"))
        assert "'b'" in message
        assert "add_edge('a', 'b')" in message
        assert "Add it" in message

    def test_an_unknown_source(self) -> None:
        assert "'b'" in compile_error(line("a").add_edge("b", "a"))

    def test_nothing_follows_end(self) -> None:
        assert "END" in compile_error(line("a").add_edge(END, "a"))

    def test_nothing_leads_back_to_start(self) -> None:
        assert "START" in compile_error(line("a").add_edge("a", START))

    def test_an_edge_is_there_once(self) -> None:
        message = compile_error(line("a", "b").add_edge("a", "b"))
        assert "'a' -> 'b'" in message
        assert "twice" in message

    @pytest.mark.parametrize("sources", [[], ["a", "a"], [START, "a"]])
    def test_a_join_is_of_different_nodes(self, sources: list[str]) -> None:
        message = declare_error(lambda: line("a", "b").add_edge(sources, "b"))
        assert "join" in message

    @pytest.mark.parametrize(
        ("source", "target"), [(None, "a"), (5, "a"), ({"a", "b"}, "c"), (["a", 5], "b"), ("a", None), ("a", ["b"])]
    )
    def test_an_edge_leads_from_nodes_to_a_node(self, source: Any, target: Any) -> None:
        """A set has no order, which a join's name in saved state needs."""
        message = declare_error(lambda: line("a").add_edge(source, target))
        assert message.startswith(f"add_edge({source!r}, {target!r}): ")
        assert "a node, or for a join a list of nodes" in message

    def test_a_join_of_an_unknown_node(self) -> None:
        assert "'b'" in compile_error(line("a", "c").add_edge(["a", "b"], "c"))

    def test_a_list_of_one_is_a_plain_edge(self) -> None:
        graph = graph_of("a").add_edge(START, "a").add_edge(["a"], END)
        assert graph.compile(name="shop").name == "shop"

    def test_a_graph_begins_somewhere(self) -> None:
        message = compile_error(graph_of("a").add_edge("a", END))
        assert "START" in message
        assert "add_edge(START, ...)" in message

    def test_entry_and_finish_points(self) -> None:
        graph = graph_of("a").set_entry_point("a").set_finish_point("a")
        assert graph.compile(name="shop").name == "shop"


class TestRouters:
    @pytest.mark.parametrize(
        ("router", "says"),
        [
            (5, "5 is no function of the state"),
            ("a", "'a' is no function of the state"),
            (lambda: END, r"the router takes the state, and nothing else (test_compile.py:"),
            (lambda state, config: END, r"the router takes the state, and nothing else (test_compile.py:"),
            (yielding, r"the router is a generator (test_compile.py:"),
        ],
    )
    def test_a_router_is_a_function_of_the_state(self, router: Any, says: str) -> None:
        message = compile_error(line("a").add_conditional_edges("a", router))
        assert "shop: add_conditional_edges('a'" in message
        assert says in message

    def test_a_router_may_be_any_callable(self) -> None:
        class Choice:
            async def __call__(self, state: State, *, otherwise: str = END) -> str:
                return otherwise

        for router in (Choice(), functools.partial(Choice(), otherwise="a"), Choice().__call__):
            line("a").add_conditional_edges("a", router).compile(name="shop")

    @pytest.mark.parametrize("mapping", ["a", 5])
    def test_a_mapping_is_a_dict_or_a_list(self, mapping: Any) -> None:
        message = declare_error(lambda: line("a").add_conditional_edges("a", lambda state: "a", mapping))
        assert f"add_conditional_edges('a'): mapping={mapping!r} must be" in message

    def test_an_unknown_target_in_a_mapping(self) -> None:
        graph = line("a").add_conditional_edges("a", lambda state: "x", {"x": "nowhere"})
        message = compile_error(graph)
        assert "add_conditional_edges('a'" in message
        assert "'nowhere'" in message

    def test_an_unknown_target_in_a_list(self) -> None:
        graph = line("a").add_conditional_edges("a", lambda state: "x", ["nowhere"])
        assert "'nowhere'" in compile_error(graph)

    def test_an_unknown_target_in_a_literal_annotation(self) -> None:
        def choose(state: State) -> Literal["a", "nowhere"]:
            return "a"

        message = compile_error(line("a").add_conditional_edges("a", choose))
        assert "choose" in message
        assert "'nowhere'" in message

    def test_an_unknown_source(self) -> None:
        graph = line("a").add_conditional_edges("b", lambda state: END)
        assert "'b'" in compile_error(graph)

    def test_a_literal_annotation_tells_where_a_router_leads(self) -> None:
        def choose(state: State) -> Literal["b", "__end__"]:
            return "b"

        graph = graph_of("a", "b", "c").add_edge(START, "a").add_edge("b", END).add_edge("c", END)
        assert "'c'" in compile_error(graph.add_conditional_edges("a", choose))


class TestReachability:
    def test_an_unreachable_node(self) -> None:
        message = compile_error(line("a").add_node("island", step).add_edge("island", END))
        assert "no path from START reaches 'island'" in message
        assert "Add an edge" in message

    def test_a_loop_that_nothing_enters(self) -> None:
        graph = line("a").add_node("b", step).add_node("c", step).add_edge("b", "c").add_edge("c", "b")
        message = compile_error(graph.add_edge("c", END))
        assert "'b', 'c'" in message

    def test_a_dead_end(self) -> None:
        message = compile_error(line("a").add_node("stuck", step).add_edge("a", "stuck"))
        assert "nothing follows node 'stuck'" in message
        assert "Add an edge from it" in message

    def test_a_loop_without_a_way_out(self) -> None:
        graph = graph_of("a", "b").add_edge(START, "a").add_edge("a", "b").add_edge("b", "a")
        message = compile_error(graph)
        assert "END cannot be reached from 'a', 'b'" in message
        assert "way out" in message

    def test_a_router_without_mapping_may_lead_anywhere(self) -> None:
        graph = graph_of("a", "b").add_edge(START, "a").add_edge("b", "a")
        assert graph.add_conditional_edges("a", lambda state: END).compile(name="shop").name == "shop"

    def test_a_node_that_returns_a_command_decides_itself(self) -> None:
        def decide(state: State) -> Command:
            return Command(goto="b")

        graph = graph_of("b").add_node("decide", decide).add_edge(START, "decide").add_edge("b", END)
        assert graph.compile(name="shop").name == "shop"

    def test_the_error_tells_of_the_command_annotation(self) -> None:
        """A node that only a Command leads to is reached if its sender is annotated ``-> Command``."""
        graph = line("a").add_node("b", step).add_edge("b", END)
        assert "Command" in compile_error(graph)

    def test_a_command_annotation_may_name_where_it_leads(self) -> None:
        def decide(state: State) -> Command[Literal["b", "__end__"]] | None:
            return Command(goto="b")

        graph = StateGraph(State).add_node("decide", decide).add_edge(START, "decide")
        graph.add_node("b", step).add_edge("b", END)
        assert graph.compile(name="shop").name == "shop"
        assert "'c'" in compile_error(graph.add_node("c", step).add_edge("c", END))

    def test_an_unknown_target_in_a_command_annotation(self) -> None:
        def decide(state: State) -> Command[Literal["nowhere"]]:
            return Command()

        message = compile_error(StateGraph(State).add_node("decide", decide).add_edge(START, "decide"))
        assert "shop.decide" in message
        assert "'nowhere'" in message

    def test_a_node_that_only_sends_lead_to(self) -> None:
        graph = graph_of("work").add_edge("work", END)
        graph.add_conditional_edges(START, lambda state: [Send("work", {})], ["work"])
        assert graph.compile(name="shop").name == "shop"

    def test_a_node_that_only_a_join_leads_to(self) -> None:
        graph = graph_of("a", "b", "c").add_edge(START, "a").add_edge(START, "b").add_edge(["a", "b"], "c")
        assert graph.add_edge("c", END).compile(name="shop").name == "shop"

    def test_a_join_that_can_never_be_complete(self) -> None:
        """One of its sources is not reachable."""
        graph = line("a", "c").add_node("b", step).add_edge("b", END)
        assert "'b'" in compile_error(graph.add_edge(["a", "b"], "c"))


class TestBreakpoints:
    @pytest.mark.parametrize("option", ["interrupt_before", "interrupt_after"])
    def test_an_unknown_node(self, option: str) -> None:
        message = compile_error(line("a"), **{option: ["nowhere"]})
        assert option in message
        assert "'nowhere'" in message

    @pytest.mark.parametrize("option", ["interrupt_before", "interrupt_after"])
    async def test_an_unknown_node_of_a_run(self, option: str) -> None:
        """A misspelt breakpoint must not silently let a run through."""
        compiled = line("a").compile(name="shop")
        with pytest.raises(GraphError, match="'nowhere'"):
            await compiled.invoke({"log": []}, **{option: ["nowhere"]})

    @pytest.mark.parametrize("option", ["interrupt_before", "interrupt_after"])
    @pytest.mark.parametrize("nodes", ["a", 5])
    async def test_those_of_a_run_are_a_list(self, option: str, nodes: Any) -> None:
        compiled = line("a").compile(name="shop")
        with pytest.raises(InvalidOptionError, match=f"{option}={nodes!r} must be a list of node names"):
            await compiled.invoke({"log": []}, **{option: nodes})


class TestFusing:
    def fused(self, **options: Any) -> StateGraph:
        return line("a", "b").add_node("c", step, fuse=True, **options)

    def test_a_chain(self) -> None:
        graph = graph_of("a").add_node("b", step, fuse=True).add_node("c", step, fuse=True)
        graph.add_edge(START, "a").add_edge("a", "b").add_edge("b", "c").add_edge("c", END)
        assert graph.compile(name="shop").chains == {"a": ("b", "c")}

    def test_only_after_one_node(self) -> None:
        graph = self.fused().add_edge("a", "c").add_edge("b", "c").add_edge("c", END)
        message = compile_error(graph)
        assert "shop.c" in message
        assert "exactly one edge" in message

    def test_only_on_the_same_side(self) -> None:
        graph = line("a").add_node("b", step, run_as="workflow")
        graph.add_node("c", step, fuse=True).add_edge("a", "b").add_edge("b", "c").add_edge("c", END)
        message = compile_error(graph)
        assert "shop.c" in message
        assert "run as activities" in message

    def test_not_at_a_breakpoint(self) -> None:
        graph = graph_of("a").add_node("b", step, fuse=True)
        graph.add_edge(START, "a").add_edge("a", "b").add_edge("b", END)
        assert "breakpoint" in compile_error(graph, interrupt_before=["b"])

    def test_not_beside_another_edge(self) -> None:
        graph = line("a", "b").add_node("c", step, fuse=True).add_edge("a", "c").add_edge("c", END)
        assert "'a' has other edges" in compile_error(graph)


class TestSubgraphs:
    def child(self, name: str = "child") -> CompiledGraph:
        return line("inner").compile(name=name)

    def test_nothing_in_common(self) -> None:
        def note(state: Other) -> dict[str, Any]:
            return {}

        child = StateGraph(Other).add_node("note", note).add_edge(START, "note").add_edge("note", END)
        graph = StateGraph(State).add_node("sub", child.compile(name="child"))
        message = compile_error(graph.add_edge(START, "sub").add_edge("sub", END))
        assert "shop.sub" in message
        assert "input=..., output=..." in message

    def test_two_graphs_of_one_name(self) -> None:
        graph = StateGraph(State).add_node("one", self.child()).add_node("two", self.child())
        graph.add_edge(START, "one").add_edge("one", "two").add_edge("two", END)
        message = compile_error(graph)
        assert "'child'" in message
        assert "another name" in message

    def test_one_graph_twice(self) -> None:
        child = self.child()
        graph = StateGraph(State).add_node("one", child).add_node("two", child)
        graph.add_edge(START, "one").add_edge("one", "two").add_edge("two", END)
        assert graph.compile(name="shop").name == "shop"

    def test_a_child_called_like_its_parent(self) -> None:
        graph = StateGraph(State).add_node("sub", self.child("shop"))
        assert "'shop'" in compile_error(graph.add_edge(START, "sub").add_edge("sub", END))

    def test_options_of_functions_are_refused(self) -> None:
        assert "add_subgraph" in declare_error(
            lambda: StateGraph(State).add_node("sub", self.child(), run_as="workflow")
        )


class Opaque:
    """A type without a JSON form."""


class WithOpaque(TypedDict):
    thing: Opaque


@dataclass
class DataState:
    n: int = 0


class ModelState(BaseModel):
    n: int = 0


class TestSchemas:
    @pytest.mark.parametrize("schema", [State, DataState, ModelState])
    def test_three_kinds_of_state(self, schema: type) -> None:
        assert "n" in StateGraph(schema).schema.fields

    @pytest.mark.parametrize("schema", [dict, int, Opaque, "State"])
    def test_other_kinds_are_refused(self, schema: Any) -> None:
        message = declare_error(lambda: StateGraph(schema))
        assert "TypedDict" in message

    def test_a_field_without_a_json_form(self) -> None:
        message = declare_error(lambda: StateGraph(WithOpaque))
        assert "WithOpaque" in message
        assert "'thing'" in message
        assert "Use plain data" in message


class TestShape:
    """What a compiled graph tells about itself."""

    def test_the_digest_changes_with_the_shape(self) -> None:
        one, same, other = line("a"), line("a"), line("a", "b")
        digests = [graph.compile(name="shop").digest for graph in (one, same, other)]
        assert digests[0] == digests[1] != digests[2]


def test_a_graph_is_shown_in_a_line() -> None:
    assert repr(line("a", "b").compile(name="shop")) == "<CompiledGraph shop: a, b>"
