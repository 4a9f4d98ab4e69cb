"""The conformance cases: one small graph per construct, with the result that the graph model prescribes.

A case is a function that builds its graph from a `Library`, decorated with the input, what the run asks on its way, and the
expected result. `nodes` is the expected order of updates, one line per superstep: ``["a", "b c", "d"]`` says that ``b`` and
``c`` run together and that b's update is merged before c's. The numbers in brackets are sections of the graph model.

Every case runs on every host of ours. Those with an oracle also run on LangGraph, which must meet the same expectations and,
with ``oracle=True``, agree on every update and on the state after every superstep. It is left out where the two differ on purpose:

- Routers see the merged state of the superstep (2.3.5); in LangGraph only their own node's update on top of the old state.
- Tasks are ordered by edge declaration (2.3.1); in LangGraph by name, those of a `Send` last. Cases with an oracle declare
  their edges in that order.
- A recursion limit of n allows n supersteps (2.3.9); in LangGraph the run must also have ended by then.
- A subgraph hands its writes to the parent, never its whole state (2.12); in LangGraph fields that append are doubled.
- Defaults of dataclass and Pydantic states are part of the state from the start; in LangGraph they never reach it.
- A node gets a copy of the state; in LangGraph it can change the state itself.
- A pause shows the state as of the superstep's start; in LangGraph with the updates of finished siblings.
- Where a node runs, messages in Oris's wire form, `Context`, custom data and answers by schema exist only here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hosts import Options
from libraries import Library
from states import Basket, Child, ChildLog, Item, Log, Order, Thread

from oris_temporal import END, START, Command, Context, Message, MessagesState, RemoveMessage, RunnableConfig

Build = Callable[[Library], Any]
Oracle = bool | Literal["result"]
ABSENT: Any = object()


@dataclass(frozen=True)
class Pause:
    """Where a run is expected to wait, and what is then done.

    Attributes:
        asks: Pending interrupts in order, ``(node, value)``; none at a static breakpoint.
        answer: Answer to the only one.
        answers: Answers by node, sent by id; those of other nodes stay pending.
        next: Nodes expected to wait or run next.
    """

    asks: list[tuple[str, Any]] = field(default_factory=list)
    answer: Any = ABSENT
    answers: Mapping[str, Any] | None = None
    next: str | None = None


@dataclass(frozen=True)
class Case:
    """A graph with its expected behaviour.

    Attributes:
        name: Its name, and the graph's.
        build: Builds the graph.
        input: Input of the run.
        nodes: Expected order of updates, one line per superstep; ``None`` if nothing is expected of it.
        values: Expected final state, as JSON.
        pauses: Where the run waits on its way.
        options: What it is started with.
        error: Expected error code, if it fails.
        message: Text that must be in its error message.
        oracle: Whether LangGraph must agree on every update, or only on the ``result``.
    """

    name: str
    build: Build
    input: Any
    nodes: list[str] | None
    values: dict[str, Any] | None
    pauses: list[Pause]
    options: Options
    error: str | None
    message: str
    oracle: Oracle


CASES: list[Case] = []


def case(
    *,
    input: Any,
    nodes: list[str] | None = None,
    values: dict[str, Any] | None = None,
    pauses: list[Pause] | None = None,
    options: Options | None = None,
    error: str | None = None,
    message: str = "",
    oracle: Oracle = False,
) -> Callable[[Build], Build]:
    """Declare the decorated function as a case."""

    def declare(build: Build) -> Build:
        name = build.__name__
        CASES.append(
            Case(name, build, input, nodes, values, pauses or [], options or Options(), error, message, oracle)
        )
        return build

    return declare


def says(name: str) -> Callable[[Log], dict[str, Any]]:
    """A node that writes its name to the log."""

    def say(state: Log) -> dict[str, Any]:
        return {"log": [name]}

    return say


def add_sayers(graph: Any, names: str) -> Any:
    """Add a node for every name."""
    for name in names.split():
        graph.add_node(name, says(name))
    return graph


def edges(graph: Any, text: str) -> Any:
    """Add edges written as ``"START>a a>b b>END"``."""
    named = {"START": START, "END": END}
    for arrow in text.split():
        source, target = arrow.split(">")
        graph.add_edge(named.get(source, source), named.get(target, target))
    return graph


# --- edges (2.3) ---------------------------------------------------------------------------------------------------


@case(input={"log": ["in"]}, nodes=["a", "b", "c"], values={"log": ["in", "a", "b", "c"]}, oracle=True)
def linear(lib: Library) -> Any:
    graph = add_sayers(lib.StateGraph(Log), "a b c")
    return edges(graph, "START>a a>b b>c c>END").compile(name="linear")


@case(input={"log": []}, nodes=["a", "b c d", "e"], values={"log": ["a", "b", "c", "d", "e"]}, oracle=True)
def fan_out_fan_in(lib: Library) -> Any:
    """Several edges from a node all fire; a node with several incoming edges runs once per superstep (2.3.6)."""
    graph = add_sayers(lib.StateGraph(Log), "a b c d e")
    return edges(graph, "START>a a>b a>c a>d b>e c>e d>e e>END").compile(name="fan_out_fan_in")


@case(input={"log": []}, nodes=["z y", "x"], values={"log": ["z", "y", "x"]})
def task_order_is_edge_declaration_order(lib: Library) -> Any:
    """Updates are merged in the order of the edges, not of names and not of who finishes first (2.3.1, 2.3.4)."""
    graph = add_sayers(lib.StateGraph(Log), "x y z")
    return edges(graph, "START>z START>y y>x z>x x>END").compile(name="task_order_is_edge_declaration_order")


@case(input={"log": []}, nodes=["a b"], values={"log": ["a", "b"]}, oracle=True)
def several_entries(lib: Library) -> Any:
    graph = add_sayers(lib.StateGraph(Log), "a b")
    return edges(graph, "START>a START>b a>END b>END").compile(name="several_entries")


@case(input={"log": []}, nodes=["a b", "c d", "d"], values={"log": ["a", "b", "c", "d", "d"]}, oracle=True)
def uneven_branches_without_join(lib: Library) -> Any:
    """A node fires in every superstep in which one of its edges does (2.3.6)."""
    graph = add_sayers(lib.StateGraph(Log), "a b c d")
    return edges(graph, "START>a START>b a>c b>d c>d d>END").compile(name="uneven_branches_without_join")


@case(input={"log": []}, nodes=["a b", "c", "d"], values={"log": ["a", "b", "c", "d"]}, oracle=True)
def join_of_uneven_branches(lib: Library) -> Any:
    """An edge from a list waits for all of its sources, over supersteps (2.3.6)."""
    graph = edges(add_sayers(lib.StateGraph(Log), "a b c d"), "START>a START>b a>c d>END")
    graph.add_edge(["b", "c"], "d")
    return graph.compile(name="join_of_uneven_branches")


@case(input={"log": []}, nodes=["a", "b c", "x", "b c", "x"], oracle=True)
def join_in_a_loop(lib: Library) -> Any:
    """A join that fired waits for all of its sources again."""
    graph = edges(add_sayers(lib.StateGraph(Log), "a b c x"), "START>a a>b a>c")
    graph.add_edge(["b", "c"], "x")
    graph.add_conditional_edges("x", lambda state: ["b", "c"] if len(state["log"]) < 5 else END, ["b", "c", END])
    return graph.compile(name="join_in_a_loop")


@case(input={"log": []}, nodes=["z", "y z", "join y"], values={"log": ["z", "y", "z", "join", "y"]}, oracle=True)
def join_is_filled_twice_in_one_superstep(lib: Library) -> Any:
    """A source that finishes again in the superstep that completes the join does not count for the next one (2.3.5)."""
    graph = edges(add_sayers(lib.StateGraph(Log), "join y z"), "START>z z>y y>END join>END")
    graph.add_edge(["y", "z"], "join")
    graph.add_conditional_edges("z", lambda state: "z" if len(state["log"]) == 1 else END, ["z", END])
    return graph.compile(name="join_is_filled_twice_in_one_superstep")


@case(input={"log": []}, nodes=["a b", "c"], values={"log": ["a", "b", "c"]}, oracle=True)
def one_branch_ends_early(lib: Library) -> Any:
    """Reaching END removes only that branch (2.3.7)."""
    graph = add_sayers(lib.StateGraph(Log), "a b c")
    return edges(graph, "START>a START>b a>END b>c c>END").compile(name="one_branch_ends_early")


@case(input={"log": []}, nodes=[], values={"log": []})
def start_to_end(lib: Library) -> Any:
    """START -> END alone is legal (2.17)."""
    return lib.StateGraph(Log).add_edge(START, END).compile(name="start_to_end")


@case(input={"log": [], "n": 1}, nodes=["b"], values={"log": ["b"], "n": 1})
def node_sees_the_state_of_the_step_start(lib: Library) -> Any:
    """A node without an update is fine, and changes it makes to its argument go nowhere (2.3.3)."""

    def scribble(state: Log) -> None:
        state["log"].append("scribble")
        state["n"] = 99

    graph = lib.StateGraph(Log).add_node("a", scribble).add_node("b", says("b"))
    return edges(graph, "START>a a>b b>END").compile(name="node_sees_the_state_of_the_step_start")


# --- routers (2.5) -------------------------------------------------------------------------------------------------


def _router_graph(lib: Library, name: str, router: Any, mapping: Any = None, sayers: str = "a b c") -> Any:
    graph = edges(add_sayers(lib.StateGraph(Log), sayers), "START>a b>END c>END")
    return graph.add_conditional_edges("a", router, mapping).compile(name=name)


@case(input={"log": []}, nodes=["a", "c"], values={"log": ["a", "c"]}, oracle=True)
def router_with_mapping(lib: Library) -> Any:
    return _router_graph(lib, "router_with_mapping", lambda state: "no", {"yes": "b", "no": "c"})


@case(input={"log": []}, nodes=["a", "c"], values={"log": ["a", "c"]}, oracle=True)
def router_with_mapping_of_booleans(lib: Library) -> Any:
    """A key of a mapping is anything hashable."""
    return _router_graph(
        lib, "router_with_mapping_of_booleans", lambda state: len(state["log"]) > 1, {True: "b", False: "c"}
    )


@case(input={"log": []}, nodes=["a", "b"], values={"log": ["a", "b"]}, oracle=True)
def router_without_mapping(lib: Library) -> Any:
    return _router_graph(lib, "router_without_mapping", lambda state: "b")


@case(input={"log": []}, nodes=["a", "b c"], values={"log": ["a", "b", "c"]}, oracle=True)
def router_returns_a_list(lib: Library) -> Any:
    return _router_graph(lib, "router_returns_a_list", lambda state: ["b", "c"])


@case(input={"log": []}, nodes=["a", "b c"], values={"log": ["a", "b", "c"]}, oracle=True)
def router_returns_a_list_of_keys(lib: Library) -> Any:
    return _router_graph(lib, "router_returns_a_list_of_keys", lambda state: ["x", "y"], {"x": "b", "y": "c"})


@case(input={"log": []}, nodes=["a"], values={"log": ["a"]}, oracle=True)
def router_returns_end(lib: Library) -> Any:
    return _router_graph(lib, "router_returns_end", lambda state: END, ["b", "c", END])


@case(input={"log": []}, nodes=["a"], values={"log": ["a"]}, oracle=True)
def router_maps_to_end(lib: Library) -> Any:
    return _router_graph(lib, "router_maps_to_end", lambda state: "stop", {"stop": END, "b": "b", "c": "c"})


@case(input={"log": []}, nodes=["a", "b"], values={"log": ["a", "b"]}, oracle=True)
def async_router(lib: Library) -> Any:
    async def choose(state: Log) -> str:
        return "b"

    return _router_graph(lib, "async_router", choose)


@case(input={"log": []}, nodes=["c"], values={"log": ["c"]}, oracle=True)
def router_from_start(lib: Library) -> Any:
    graph = edges(add_sayers(lib.StateGraph(Log), "b c"), "b>END c>END")
    return graph.add_conditional_edges(START, lambda state: "c", ["b", "c"]).compile(name="router_from_start")


@case(input={"log": []}, nodes=["a", "b c"], values={"log": ["a", "b", "c"]}, oracle=True)
def router_beside_an_edge(lib: Library) -> Any:
    """A node's edges and routers all contribute; one node is run once (2.3.5)."""
    graph = edges(add_sayers(lib.StateGraph(Log), "a b c"), "START>a a>b b>END c>END")
    return graph.add_conditional_edges("a", lambda state: ["b", "c"]).compile(name="router_beside_an_edge")


@case(input={"log": []}, nodes=["a b", "saw_both"], values={"log": ["a", "b", "saw_both"]})
def router_sees_the_merged_state(lib: Library) -> Any:
    """Conditions are evaluated against the merged state of the superstep, siblings' updates included (2.3.5)."""
    graph = edges(
        add_sayers(lib.StateGraph(Log), "a b saw_both saw_one"), "START>a START>b b>END saw_both>END saw_one>END"
    )
    graph.add_conditional_edges(
        "a", lambda state: "saw_both" if state["log"] == ["a", "b"] else "saw_one", ["saw_both", "saw_one"]
    )
    return graph.compile(name="router_sees_the_merged_state")


@case(input={"log": []}, error="condition", message="'elsewhere'", nodes=[], values={"log": []})
def router_leads_nowhere(lib: Library) -> Any:
    """The update of the node before is not in the state: its superstep did not end (2.5, 2.3.8)."""
    return _router_graph(lib, "router_leads_nowhere", lambda state: "elsewhere")


# --- loops and limits (2.3.9) --------------------------------------------------------------------------------------


def _count(state: Log) -> dict[str, Any]:
    return {"log": [f"turn {state['n']}"], "n": state["n"] + 1}


@case(
    input={"log": [], "n": 0},
    nodes=["work"] * 5,
    values={"log": ["turn 0", "turn 1", "turn 2", "turn 3", "turn 4"], "n": 5},
    oracle=True,
)
def loop_of_one(lib: Library) -> Any:
    graph = lib.StateGraph(Log).add_node("work", _count).add_edge(START, "work")
    graph.add_conditional_edges("work", lambda state: "work" if state["n"] < 5 else END, ["work", END])
    return graph.compile(name="loop_of_one")


@case(input={"log": []}, nodes=["a", "b", "a", "b", "a", "b"], oracle=True)
def loop_of_two(lib: Library) -> Any:
    graph = edges(add_sayers(lib.StateGraph(Log), "a b"), "START>a a>b")
    graph.add_conditional_edges("b", lambda state: "a" if len(state["log"]) < 6 else END, ["a", END])
    return graph.compile(name="loop_of_two")


def _endless(lib: Library, name: str, **options: Any) -> Any:
    graph = lib.StateGraph(Log).add_node("work", _count).add_edge(START, "work")
    return graph.add_conditional_edges("work", lambda state: "work", ["work", END]).compile(name=name, **options)


@case(
    input={"log": [], "n": 0},
    options=Options(recursion_limit=3),
    error="graph_recursion",
    nodes=["work"] * 3,
    values={"log": ["turn 0", "turn 1", "turn 2"], "n": 3},
)
def recursion_limit_of_the_run(lib: Library) -> Any:
    return _endless(lib, "recursion_limit_of_the_run")


@case(input={"log": [], "n": 0}, error="graph_recursion", message="recursion_limit", nodes=["work"] * 4)
def recursion_limit_of_the_graph(lib: Library) -> Any:
    return _endless(lib, "recursion_limit_of_the_graph", recursion_limit=4)


@case(input={"log": []}, options=Options(recursion_limit=2), nodes=["a", "b"], values={"log": ["a", "b"]})
def recursion_limit_just_reached(lib: Library) -> Any:
    """A run that ends with its last allowed superstep is complete."""
    graph = edges(add_sayers(lib.StateGraph(Log), "a b"), "START>a a>b b>END")
    return graph.compile(name="recursion_limit_just_reached")


# --- Send (2.3.2) --------------------------------------------------------------------------------------------------


def _worker(payload: dict[str, Any]) -> dict[str, Any]:
    return {"log": [f"did {payload['job']}"]}


@case(
    input={"log": []},
    nodes=["plan", "work", "report"],
    values={"log": ["plan", "did 2", "did 0", "did 1", "report"]},
    oracle=True,
)
def map_reduce(lib: Library) -> Any:
    """Every `Send` is a task with an input of its own; results come in the order sent."""
    graph = edges(add_sayers(lib.StateGraph(Log), "plan report"), "START>plan report>END")
    graph.add_node("work", _worker).add_edge("work", "report")
    graph.add_conditional_edges("plan", lambda state: [lib.Send("work", {"job": i}) for i in (2, 0, 1)], ["work"])
    return graph.compile(name="map_reduce")


@case(input={"log": []}, nodes=["work"], values={"log": ["did 1", "did 1"]}, oracle=True)
def equal_sends_are_not_merged(lib: Library) -> Any:
    """Two equal `Send` items are two tasks."""
    graph = lib.StateGraph(Log).add_node("work", _worker).add_edge("work", END)
    graph.add_conditional_edges(START, lambda state: [lib.Send("work", {"job": 1})] * 2, ["work"])
    return graph.compile(name="equal_sends_are_not_merged")


@case(input={"log": []}, nodes=["a", "b work"], values={"log": ["a", "b", "did 1"]}, oracle=True)
def send_beside_a_name(lib: Library) -> Any:
    graph = edges(add_sayers(lib.StateGraph(Log), "a b"), "START>a b>END")
    graph.add_node("work", _worker).add_edge("work", END)
    return graph.add_conditional_edges("a", lambda state: ["b", lib.Send("work", {"job": 1})]).compile(
        name="send_beside_a_name"
    )


@case(input={"log": []}, nodes=["plan"], values={"log": ["plan"]}, oracle=True)
def nothing_to_send(lib: Library) -> Any:
    """An empty list ends the branch."""
    graph = edges(add_sayers(lib.StateGraph(Log), "plan"), "START>plan")
    graph.add_node("work", _worker).add_edge("work", END)
    return graph.add_conditional_edges("plan", lambda state: [], ["work"]).compile(name="nothing_to_send")


@case(
    input={"log": []},
    nodes=["work", "check"],
    values={"log": ["did 0", "did 1", "checked 0", "checked 1"]},
    oracle=True,
)
def send_after_send(lib: Library) -> Any:
    """A task made by a `Send` may send in turn; its router runs once per task."""

    def work(payload: dict[str, Any]) -> Command:
        send = lib.Send("check", {"job": payload["job"]})
        return lib.Command(update={"log": [f"did {payload['job']}"]}, goto=[send])

    def check(payload: dict[str, Any]) -> dict[str, Any]:
        return {"log": [f"checked {payload['job']}"]}

    graph = lib.StateGraph(Log).add_node("work", work).add_node("check", check)
    graph.add_conditional_edges(START, lambda state: [lib.Send("work", {"job": i}) for i in range(2)], ["work"])
    return edges(graph, "work>END check>END").compile(name="send_after_send")


# --- Command (B23) -------------------------------------------------------------------------------------------------


@case(input={"log": []}, nodes=["a", "c"], values={"log": ["a", "c"]}, oracle=True)
def command_updates_and_goes(lib: Library) -> Any:
    def a(state: Log) -> Command:
        return lib.Command(update={"log": ["a"]}, goto="c")

    graph = add_sayers(lib.StateGraph(Log).add_node("a", a), "b c")
    return edges(graph, "START>a b>END c>END").compile(name="command_updates_and_goes")


@case(input={"log": []}, nodes=["a", "b c"], values={"log": ["a", "b", "c"]}, oracle=True)
def command_adds_to_the_edges(lib: Library) -> Any:
    def a(state: Log) -> Command:
        return lib.Command(update={"log": ["a"]}, goto="c")

    graph = add_sayers(lib.StateGraph(Log).add_node("a", a), "b c")
    return edges(graph, "START>a a>b b>END c>END").compile(name="command_adds_to_the_edges")


@case(input={"log": []}, nodes=["c"], values={"log": ["c"]}, oracle=True)
def command_without_update(lib: Library) -> Any:
    def a(state: Log) -> Command:
        return lib.Command(goto="c")

    graph = add_sayers(lib.StateGraph(Log).add_node("a", a), "c")
    return edges(graph, "START>a c>END").compile(name="command_without_update")


@case(input={"log": []}, nodes=["a", "b work"], values={"log": ["a", "b", "did 7"]}, oracle=True)
def command_goes_to_several(lib: Library) -> Any:
    def a(state: Log) -> Command:
        return lib.Command(update={"log": ["a"]}, goto=["b", lib.Send("work", {"job": 7})])

    graph = add_sayers(lib.StateGraph(Log).add_node("a", a).add_node("work", _worker), "b")
    return edges(graph, "START>a b>END work>END").compile(name="command_goes_to_several")


@case(input={"log": []}, nodes=["a"], values={"log": ["a"]}, oracle=True)
def command_goes_to_end(lib: Library) -> Any:
    def a(state: Log) -> Command:
        return lib.Command(update={"log": ["a"]}, goto=END)

    graph = lib.StateGraph(Log).add_node("a", a)
    return edges(graph, "START>a").compile(name="command_goes_to_end")


@case(input={"log": [], "n": 0}, nodes=["a", "b"], values={"log": ["one", "two", "three", "b"], "n": 2})
def several_updates_from_one_node(lib: Library) -> Any:
    """A list of updates and commands is merged item by item."""

    def a(state: Log) -> list[dict[str, Any] | Command]:
        return [{"log": ["one"]}, lib.Command(update={"log": ["two"], "n": 2}, goto="b"), {"log": ["three"]}]

    graph = add_sayers(lib.StateGraph(Log).add_node("a", a), "b")
    return edges(graph, "START>a a>END b>END").compile(name="several_updates_from_one_node")


@case(input={"log": []}, error="node_not_found", message="'nowhere'", nodes=[], values={"log": []})
def command_goes_nowhere(lib: Library) -> Any:
    def a(state: Log) -> Command:
        return lib.Command(update={"log": ["a"]}, goto="nowhere")

    return edges(lib.StateGraph(Log).add_node("a", a), "START>a").compile(name="command_goes_nowhere")


# --- state and reducers (2.4) --------------------------------------------------------------------------------------


@case(input={"log": ["in"], "n": 1}, nodes=["a", "b"], values={"log": ["in", "a", "b"], "n": 2}, oracle=True)
def reducer_beside_a_plain_field(lib: Library) -> Any:
    """Each field has a rule of its own: appended, or the last value wins."""

    def a(state: Log) -> dict[str, Any]:
        return {"log": ["a"], "n": 2}

    graph = lib.StateGraph(Log).add_node("a", a).add_node("b", says("b"))
    return edges(graph, "START>a a>b b>END").compile(name="reducer_beside_a_plain_field")


@case(input={"log": []}, nodes=["a"], values={"log": ["a"], "answer": None}, oracle=True)
def none_is_a_value(lib: Library) -> Any:
    """`None` is a value, absence is absence: ``n`` never appears."""

    def a(state: Log) -> dict[str, Any]:
        return {"log": ["a"], "answer": None}

    return edges(lib.StateGraph(Log).add_node("a", a), "START>a a>END").compile(name="none_is_a_value")


@case(input={"log": []}, error="invalid_update", message="n", nodes=[], oracle=True)
def two_writers_without_reducer(lib: Library) -> Any:
    """Two writers in one superstep on a field without a reducer are an error."""

    def one(state: Log) -> dict[str, Any]:
        return {"n": 1}

    def two(state: Log) -> dict[str, Any]:
        return {"n": 2}

    graph = lib.StateGraph(Log).add_node("one", one).add_node("two", two)
    return edges(graph, "START>one START>two one>END two>END").compile(name="two_writers_without_reducer")


@case(input={"log": []}, error="invalid_update", message="'typo'", nodes=[], values={"log": []})
def unknown_field(lib: Library) -> Any:
    """Unknown keys are an error that names the node."""

    def a(state: Log) -> dict[str, Any]:
        return {"typo": 1}

    return edges(lib.StateGraph(Log).add_node("a", a), "START>a a>END").compile(name="unknown_field")


@case(
    input={},
    nodes=["a", "b"],
    values={"items": ["apple", "limit 3", "note kept"], "limit": 3, "note": "kept"},
)
def dataclass_state(lib: Library) -> Any:
    """Nodes get an instance with its defaults and may return an update as a dict."""

    def a(state: Basket) -> dict[str, Any]:
        assert isinstance(state, Basket)
        return {"items": ["apple"], "note": "kept"}

    def b(state: Basket) -> dict[str, Any]:
        return {"items": [f"limit {state.limit}", f"note {state.note}"]}

    graph = lib.StateGraph(Basket).add_node("a", a).add_node("b", b)
    return edges(graph, "START>a a>b b>END").compile(name="dataclass_state")


@case(
    input={"items": [{"name": "tea", "price": 2.5}]},
    nodes=["add", "pay"],
    values={
        "items": [{"name": "tea", "price": 2.5}, {"name": "milk", "price": 1.0}],
        "total": 3.5,
        "paid": True,
    },
)
def pydantic_state(lib: Library) -> Any:
    """Nested models come back as models in every node, also after they were stored as JSON."""

    def add(state: Order) -> dict[str, Any]:
        return {"items": [Item(name="milk")]}

    def pay(state: Order) -> dict[str, Any]:
        return {"total": sum(item.price for item in state.items), "paid": True}

    graph = lib.StateGraph(Order).add_node("add", add).add_node("pay", pay)
    return edges(graph, "START>add add>pay pay>END").compile(name="pydantic_state")


def _message(kind: str, content: str, id: str | None = None) -> dict[str, Any]:
    """A message in Oris's wire form (3.2)."""
    return {"content": content, "message_type": kind, "id": id, "tool_calls": None, "images": None}


@case(
    input={"messages": [{"role": "user", "content": "hi"}]},
    nodes=["reply", "more"],
    values={"messages": [_message("human", "hi"), _message("ai", "hello"), _message("ai", "that made 2")]},
)
def messages_append(lib: Library) -> Any:
    """`MessagesState` appends; one message is as good as a list of them (3.4)."""

    def reply(state: MessagesState) -> dict[str, Any]:
        return {"messages": [Message.ai("hello")]}

    def more(state: MessagesState) -> dict[str, Any]:
        return {"messages": Message.ai(f"that made {len(state['messages'])}")}

    graph = lib.StateGraph(MessagesState).add_node("reply", reply).add_node("more", more)
    return edges(graph, "START>reply reply>more more>END").compile(name="messages_append")


@case(
    input={"messages": [_message("human", "hi", "1")]},
    nodes=["draft", "edit"],
    values={"messages": [_message("human", "hi", "1"), _message("ai", "final", "2")]},
)
def messages_add(lib: Library) -> Any:
    """The opt-in reducer replaces by id and removes (3.4)."""

    def draft(state: Thread) -> dict[str, Any]:
        return {"messages": [Message.ai("draft", id="2"), Message.ai("scrap", id="3")]}

    def edit(state: Thread) -> dict[str, Any]:
        return {"messages": [Message.ai("final", id="2"), RemoveMessage(id="3")]}

    graph = lib.StateGraph(Thread).add_node("draft", draft).add_node("edit", edit)
    return edges(graph, "START>draft draft>edit edit>END").compile(name="messages_add")


# --- interrupts (2.8, 2.9) -----------------------------------------------------------------------------------------


@case(
    input={"log": []},
    pauses=[Pause([("ask", "ok?")], answer="yes", next="ask")],
    nodes=["before", "ask", "after"],
    values={"log": ["before", "yes", "after"]},
    oracle=True,
)
def interrupt_and_resume(lib: Library) -> Any:
    """Resume continues at the paused task; what ran before does not run again."""

    async def ask(state: Log) -> dict[str, Any]:
        return {"log": [await lib.interrupt("ok?")]}

    graph = add_sayers(lib.StateGraph(Log).add_node("ask", ask), "before after")
    return edges(graph, "START>before before>ask ask>after after>END").compile(name="interrupt_and_resume")


@case(
    input={"log": []},
    pauses=[Pause([("ask", "first?")], answer="1"), Pause([("ask", "second? 1")], answer="2")],
    nodes=["ask"],
    values={"log": ["1", "2"]},
    oracle=True,
)
def two_interrupts_in_one_node(lib: Library) -> Any:
    """Answers to one task accumulate, in the order of its calls."""

    async def ask(state: Log) -> dict[str, Any]:
        first = await lib.interrupt("first?")
        return {"log": [first, await lib.interrupt(f"second? {first}")]}

    return edges(lib.StateGraph(Log).add_node("ask", ask), "START>ask ask>END").compile(
        name="two_interrupts_in_one_node"
    )


@case(
    input={"log": []},
    pauses=[Pause([("ask", "first?")], answer="1"), Pause([("ask", "second?")], answer="2")],
    nodes=["ask"],
    values={"log": ["1", "2"]},
    oracle=True,
)
def two_interrupts_through_a_context(lib: Library) -> Any:
    async def ask(state: Log, ctx: Context) -> dict[str, Any]:
        return {"log": [await ctx.interrupt("first?"), await ctx.interrupt("second?")]}

    return edges(lib.StateGraph(Log).add_node("ask", ask), "START>ask ask>END").compile(
        name="two_interrupts_through_a_context"
    )


@case(
    input={"log": []},
    pauses=[Pause([("ask", {"question": "ok?", "options": [1, 2.5, None]})], answer={"ok": [True, None, 1.5]})],
    nodes=["ask"],
    values={"log": [], "answer": {"ok": [True, None, 1.5]}},
    oracle=True,
)
def payload_and_answer_are_json(lib: Library) -> Any:
    async def ask(state: Log) -> dict[str, Any]:
        return {"answer": await lib.interrupt({"question": "ok?", "options": [1, 2.5, None]})}

    return edges(lib.StateGraph(Log).add_node("ask", ask), "START>ask ask>END").compile(
        name="payload_and_answer_are_json"
    )


@case(
    input={"log": []},
    pauses=[Pause([("ask", "?")], answer=None)],
    nodes=["ask"],
    values={"log": [], "answer": None},
    oracle=False,
)
def none_is_an_answer(lib: Library) -> Any:
    async def ask(state: Log) -> dict[str, Any]:
        return {"answer": await lib.interrupt("?")}

    return edges(lib.StateGraph(Log).add_node("ask", ask), "START>ask ask>END").compile(name="none_is_an_answer")


def _two_askers(lib: Library, name: str) -> Any:
    async def left(state: Log) -> dict[str, Any]:
        return {"log": [f"left {await lib.interrupt('left?')}"]}

    async def right(state: Log) -> dict[str, Any]:
        return {"log": [f"right {await lib.interrupt('right?')}"]}

    graph = add_sayers(lib.StateGraph(Log).add_node("left", left).add_node("right", right), "mid end")
    return edges(graph, "START>left START>mid START>right left>end mid>end right>end end>END").compile(name=name)


TWO_ASKERS = [("left", "left?"), ("right", "right?")]
TWO_ANSWERED = {"log": ["left L", "mid", "right R", "end"]}


@case(
    input={"log": []},
    pauses=[Pause(TWO_ASKERS, answers={"right": "R", "left": "L"})],
    nodes=["left mid right", "end"],
    values=TWO_ANSWERED,
)
def parallel_interrupts_answered_together(lib: Library) -> Any:
    """All pending interrupts are returned together, in task order."""
    return _two_askers(lib, "parallel_interrupts_answered_together")


@case(
    input={"log": []},
    pauses=[
        Pause(TWO_ASKERS, answers={"right": "R"}),
        Pause([("left", "left?")], answers={"left": "L"}, next="left"),
    ],
    nodes=["left mid right", "end"],
    values=TWO_ANSWERED,
)
def parallel_interrupts_answered_last_first(lib: Library) -> Any:
    """Partial answers leave the rest pending; updates are merged in task order however they were answered."""
    return _two_askers(lib, "parallel_interrupts_answered_last_first")


@case(
    input={"log": []},
    pauses=[
        Pause(TWO_ASKERS, answers={"left": "L"}),
        Pause([("right", "right?")], answer="R", next="right"),
    ],
    nodes=["left mid right", "end"],
    values=TWO_ANSWERED,
)
def parallel_interrupts_answered_first_first(lib: Library) -> Any:
    return _two_askers(lib, "parallel_interrupts_answered_first_first")


@case(
    input={"log": []},
    pauses=[
        Pause([("left", "left 1"), ("right", "right 1")], answers={"left": "A"}),
        Pause([("left", "left 2"), ("right", "right 1")], answers={"right": "C"}),
        Pause([("left", "left 2"), ("right", "right 2")], answers={"right": "D"}),
        Pause([("left", "left 2")], answers={"left": "B"}),
    ],
    nodes=["left right"],
    values={"log": ["A", "B", "C", "D"]},
    oracle=True,
)
def partial_answers(lib: Library) -> Any:
    """A node that was answered goes on, and may ask again, while its sibling still waits."""

    async def left(state: Log) -> dict[str, Any]:
        return {"log": [await lib.interrupt("left 1"), await lib.interrupt("left 2")]}

    async def right(state: Log) -> dict[str, Any]:
        return {"log": [await lib.interrupt("right 1"), await lib.interrupt("right 2")]}

    graph = lib.StateGraph(Log).add_node("left", left).add_node("right", right)
    return edges(graph, "START>left START>right left>END right>END").compile(name="partial_answers")


@case(
    input={"log": [], "n": 0},
    pauses=[Pause([("ask", f"turn {i}?")], answer=f"answer {i}") for i in range(3)],
    nodes=["ask"] * 3,
    values={"log": ["answer 0", "answer 1", "answer 2"], "n": 3},
    oracle=True,
)
def interrupt_in_a_loop(lib: Library) -> Any:
    async def ask(state: Log) -> dict[str, Any]:
        return {"log": [await lib.interrupt(f"turn {state['n']}?")], "n": state["n"] + 1}

    graph = lib.StateGraph(Log).add_node("ask", ask).add_edge(START, "ask")
    graph.add_conditional_edges("ask", lambda state: "ask" if state["n"] < 3 else END, ["ask", END])
    return graph.compile(name="interrupt_in_a_loop")


@case(
    input={"log": []},
    pauses=[Pause([("ask", "job 0?"), ("ask", "job 1?")], answers={"job 0?": "zero", "job 1?": "one"})],
    nodes=["ask"],
    values={"log": ["zero", "one"]},
    oracle=True,
)
def interrupts_in_sent_tasks(lib: Library) -> Any:
    """Tasks of one node ask independently (answers are named by question here)."""

    async def ask(payload: dict[str, Any]) -> dict[str, Any]:
        return {"log": [await lib.interrupt(f"job {payload['job']}?")]}

    graph = lib.StateGraph(Log).add_node("ask", ask).add_edge("ask", END)
    graph.add_conditional_edges(START, lambda state: [lib.Send("ask", {"job": i}) for i in range(2)], ["ask"])
    return graph.compile(name="interrupts_in_sent_tasks")


@case(
    input={"log": []},
    pauses=[Pause([("ask", "where?")], answer="b")],
    nodes=["ask", "b"],
    values={"log": ["going to b", "b"]},
    oracle=True,
)
def answer_decides_where_to_go(lib: Library) -> Any:
    async def ask(state: Log) -> Command:
        target = await lib.interrupt("where?")
        return lib.Command(update={"log": [f"going to {target}"]}, goto=target)

    graph = add_sayers(lib.StateGraph(Log).add_node("ask", ask), "a b")
    return edges(graph, "START>ask a>END b>END").compile(name="answer_decides_where_to_go")


# --- static breakpoints (2.8) --------------------------------------------------------------------------------------


@case(
    input={"log": []},
    pauses=[Pause(next="b")],
    nodes=["a", "b", "c"],
    values={"log": ["a", "b", "c"]},
    oracle=True,
)
def breakpoint_before(lib: Library) -> Any:
    graph = edges(add_sayers(lib.StateGraph(Log), "a b c"), "START>a a>b b>c c>END")
    return graph.compile(name="breakpoint_before", interrupt_before=["b"])


@case(
    input={"log": []},
    pauses=[Pause(next="c")],
    nodes=["a", "b", "c"],
    values={"log": ["a", "b", "c"]},
    oracle=True,
)
def breakpoint_after(lib: Library) -> Any:
    graph = edges(add_sayers(lib.StateGraph(Log), "a b c"), "START>a a>b b>c c>END")
    return graph.compile(name="breakpoint_after", interrupt_after=["b"])


@case(
    input={"log": []},
    pauses=[Pause(next="a"), Pause(next="b"), Pause(next="c")],
    nodes=["a", "b", "c"],
    options=Options(interrupt_before=["a", "b"], interrupt_after=["b"]),
    oracle=True,
)
def breakpoints_of_the_run(lib: Library) -> Any:
    graph = edges(add_sayers(lib.StateGraph(Log), "a b c"), "START>a a>b b>c c>END")
    return graph.compile(name="breakpoints_of_the_run")


@case(input={"log": []}, options=Options(interrupt_before=[]), nodes=["a", "b", "c"])
def breakpoints_switched_off_for_the_run(lib: Library) -> Any:
    graph = edges(add_sayers(lib.StateGraph(Log), "a b c"), "START>a a>b b>c c>END")
    return graph.compile(name="breakpoints_switched_off_for_the_run", interrupt_before=["b"])


@case(
    input={"log": [], "n": 0},
    pauses=[Pause(next="work"), Pause(next="work")],
    nodes=["work", "work"],
    values={"log": ["turn 0", "turn 1"], "n": 2},
    oracle=True,
)
def breakpoint_in_a_loop(lib: Library) -> Any:
    """The run stops every time it comes by."""
    graph = lib.StateGraph(Log).add_node("work", _count).add_edge(START, "work")
    graph.add_conditional_edges("work", lambda state: "work" if state["n"] < 2 else END, ["work", END])
    return graph.compile(name="breakpoint_in_a_loop", interrupt_before=["work"])


@case(
    input={"log": []},
    pauses=[Pause(next="ask"), Pause([("ask", "ok?")], answer="yes", next="ask"), Pause(next="c")],
    nodes=["a", "ask", "c"],
    values={"log": ["a", "yes", "c"]},
    oracle=True,
)
def breakpoints_around_an_interrupt(lib: Library) -> Any:
    async def ask(state: Log) -> dict[str, Any]:
        return {"log": [await lib.interrupt("ok?")]}

    graph = add_sayers(lib.StateGraph(Log).add_node("ask", ask), "a c")
    graph = edges(graph, "START>a a>ask ask>c c>END")
    return graph.compile(name="breakpoints_around_an_interrupt", interrupt_before=["ask"], interrupt_after=["ask"])


# --- subgraphs (2.12) ----------------------------------------------------------------------------------------------


def _child(lib: Library, name: str) -> Any:
    graph = edges(add_sayers(lib.StateGraph(ChildLog), "c1 c2"), "START>c1 c1>c2 c2>END")
    return graph.compile(name=name)


@case(
    input={"log": ["in"]},
    nodes=["a", "child", "b"],
    values={"log": ["in", "a", "c1", "c2", "b"]},
)
def subgraph_with_shared_state(lib: Library) -> Any:
    """The parent merges the child's writes, not its state: nothing is doubled."""
    graph = add_sayers(lib.StateGraph(Log), "a b")
    graph.add_node("child", _child(lib, "shared_child"))
    return edges(graph, "START>a a>child child>b b>END").compile(name="subgraph_with_shared_state")


@case(
    input={"log": [], "n": 1},
    nodes=["child"],
    values={"log": [], "n": 3},
    oracle="result",
)
def subgraph_overwrites_a_shared_field(lib: Library) -> Any:
    """For a field without a reducer the child's last value counts, however often it wrote it."""

    def double(state: Log) -> dict[str, Any]:
        return {"n": state["n"] * 2}

    def increment(state: Log) -> dict[str, Any]:
        return {"n": state["n"] + 1}

    child = lib.StateGraph(Log).add_node("double", double).add_node("increment", increment)
    child = edges(child, "START>double double>increment increment>END").compile(name="overwriting_child")
    graph = lib.StateGraph(Log).add_node("child", child)
    return edges(graph, "START>child child>END").compile(name="subgraph_overwrites_a_shared_field")


@case(
    input={"log": ["two words"]},
    nodes=["child"],
    values={"log": ["two words", "2 words"]},
    oracle=True,
)
def subgraph_with_mapped_state(lib: Library) -> Any:
    def split(state: Child) -> dict[str, Any]:
        return {"words": state["text"].split()}

    child = edges(lib.StateGraph(Child).add_node("split", split), "START>split split>END").compile(name="mapped_child")
    graph = lib.StateGraph(Log).add_subgraph(
        "child",
        child,
        input=lambda state: {"text": state["log"][-1]},
        output=lambda state: {"log": [f"{len(state['words'])} words"]},
    )
    return edges(graph, "START>child child>END").compile(name="subgraph_with_mapped_state")


@case(
    input={"log": []},
    nodes=["outer", "end"],
    values={"log": ["c1", "c2", "inner end", "end"]},
)
def nested_subgraphs(lib: Library) -> Any:
    inner = (
        lib.StateGraph(ChildLog).add_node("child", _child(lib, "innermost")).add_node("inner_end", says("inner end"))
    )
    outer = edges(inner, "START>child child>inner_end inner_end>END").compile(name="middle")
    graph = add_sayers(lib.StateGraph(Log), "end").add_node("outer", outer)
    return edges(graph, "START>outer outer>end end>END").compile(name="nested_subgraphs")


def _asking_child(lib: Library, name: str, question: str = "child?") -> Any:
    async def ask(state: Log) -> dict[str, Any]:
        return {"answer": await lib.interrupt(question)}

    return edges(lib.StateGraph(Log).add_node("ask", ask), "START>ask ask>END").compile(name=name)


@case(
    input={"log": []},
    pauses=[Pause([("ask", "child?")], answer="yes", next="child")],
    nodes=["before", "child", "after"],
    values={"log": ["before", "after"], "answer": "yes"},
    oracle=False,
)
def interrupt_in_a_subgraph(lib: Library) -> Any:
    """The parent reports the child's interrupt; resume continues inside the child."""
    graph = add_sayers(lib.StateGraph(Log), "before after").add_node("child", _asking_child(lib, "asking_child"))
    return edges(graph, "START>before before>child child>after after>END").compile(name="interrupt_in_a_subgraph")


@case(
    input={"log": [], "n": 0},
    pauses=[Pause([("ask", "deep?")], answer="yes", next="outer")],
    nodes=["outer"],
    values={"log": [], "n": 0, "answer": "yes"},
    oracle="result",
)
def interrupt_in_a_nested_subgraph(lib: Library) -> Any:
    async def ask(state: Log) -> dict[str, Any]:
        return {"answer": await lib.interrupt("deep?")}

    inner = edges(lib.StateGraph(Log).add_node("ask", ask), "START>ask ask>END").compile(name="deep_inner")
    outer = edges(lib.StateGraph(Log).add_node("inner", inner), "START>inner inner>END").compile(name="deep_outer")
    graph = edges(lib.StateGraph(Log).add_node("outer", outer), "START>outer outer>END")
    return graph.compile(name="interrupt_in_a_nested_subgraph")


@case(
    input={"log": []},
    pauses=[
        Pause([("left_ask", "left?"), ("right_ask", "right?")], answers={"right_ask": "R"}),
        Pause([("left_ask", "left?")], answers={"left_ask": "L"}, next="left"),
    ],
    nodes=["left right", "end"],
    values={"log": ["L", "R", "end"]},
)
def interrupts_in_parallel_subgraphs(lib: Library) -> Any:
    def child(side: str) -> Any:
        async def ask(state: ChildLog) -> dict[str, Any]:
            return {"log": [await lib.interrupt(f"{side}?")]}

        graph = lib.StateGraph(ChildLog).add_node(f"{side}_ask", ask)
        return edges(graph, f"START>{side}_ask {side}_ask>END").compile(name=f"{side}_child")

    graph = add_sayers(lib.StateGraph(Log), "end").add_node("left", child("left")).add_node("right", child("right"))
    return edges(graph, "START>left START>right left>end right>end end>END").compile(
        name="interrupts_in_parallel_subgraphs"
    )


@case(
    input={"log": []},
    nodes=["child"],
    values={"log": ["did 0", "did 1", "did 2"]},
)
def send_to_a_subgraph(lib: Library) -> Any:
    """Each task has a child of its own, in a namespace of its own."""

    def work(state: ChildLog) -> dict[str, Any]:
        return {"log": [f"did {state['scratch']}"]}

    child = edges(lib.StateGraph(ChildLog).add_node("work", work), "START>work work>END").compile(name="sent_child")
    graph = lib.StateGraph(Log).add_node("child", child).add_edge("child", END)
    graph.add_conditional_edges(
        START, lambda state: [lib.Send("child", {"scratch": str(i)}) for i in range(3)], ["child"]
    )
    return graph.compile(name="send_to_a_subgraph")


@case(input={"log": []}, nodes=["child", "child"], values={"log": ["c1", "c2", "c1", "c2"]})
def subgraph_in_a_loop(lib: Library) -> Any:
    """Every visit runs the child from a fresh state."""
    graph = lib.StateGraph(Log).add_node("child", _child(lib, "looping_child")).add_edge(START, "child")
    graph.add_conditional_edges("child", lambda state: "child" if len(state["log"]) < 4 else END, ["child", END])
    return graph.compile(name="subgraph_in_a_loop")


@case(
    input={"log": []},
    error="node",
    message="failing_child.boom",
    nodes=["a"],
    values={"log": ["a"]},
)
def failure_in_a_subgraph(lib: Library) -> Any:
    def boom(state: ChildLog) -> dict[str, Any]:
        raise ValueError("no")

    child = edges(lib.StateGraph(ChildLog).add_node("boom", boom), "START>boom boom>END").compile(name="failing_child")
    graph = add_sayers(lib.StateGraph(Log), "a").add_node("child", child)
    return edges(graph, "START>a a>child child>END").compile(name="failure_in_a_subgraph")


@case(
    input={"log": []},
    pauses=[Pause(next="child")],
    nodes=["child"],
    values={"log": ["c1", "c2"]},
)
def breakpoint_in_a_subgraph(lib: Library) -> Any:
    child = edges(add_sayers(lib.StateGraph(ChildLog), "c1 c2"), "START>c1 c1>c2 c2>END")
    graph = lib.StateGraph(Log).add_node("child", child.compile(name="stopping_child", interrupt_before=["c2"]))
    return edges(graph, "START>child child>END").compile(name="breakpoint_in_a_subgraph")


@case(
    input={"log": []},
    pauses=[Pause([("ask", "child?")], answer="yes", next="child")],
    nodes=["child", "end"],
    values={"log": ["yes", "end"]},
)
def subgraph_as_child_workflow(lib: Library) -> Any:
    """``run_as="child_workflow"`` changes where it runs, not what comes out."""

    async def ask(state: ChildLog) -> dict[str, Any]:
        return {"log": [await lib.interrupt("child?")]}

    child = edges(lib.StateGraph(ChildLog).add_node("ask", ask), "START>ask ask>END").compile(name="separate_child")
    graph = add_sayers(lib.StateGraph(Log), "end").add_subgraph("child", child, run_as="child_workflow")
    return edges(graph, "START>child child>end end>END").compile(name="subgraph_as_child_workflow")


# --- nodes ---------------------------------------------------------------------------------------------------------


@case(input={"log": []}, nodes=["a", "b", "c", "d"], values={"log": ["a", "b", "c", "d"]})
def nodes_on_every_side(lib: Library) -> Any:
    async def in_context(state: Log, ctx: Context) -> dict[str, Any]:
        return {"log": ["d"]}

    graph = lib.StateGraph(Log)
    graph.add_node("a", says("a"), run_as="activity").add_node("b", says("b"), run_as="local")
    graph.add_node("c", says("c"), run_as="workflow").add_node("d", in_context)
    return edges(graph, "START>a a>b b>c c>d d>END").compile(name="nodes_on_every_side")


class _Greeter:
    """A callable object as a node."""

    def __init__(self, greeting: str) -> None:
        self.greeting = greeting

    async def __call__(self, state: Log) -> dict[str, Any]:
        return {"log": [self.greeting]}


@case(input={"log": []}, nodes=["a", "b", "c"], values={"log": ["sync", "async", "object"]}, oracle=True)
def functions_of_every_kind(lib: Library) -> Any:
    def sync_node(state: Log) -> dict[str, Any]:
        return {"log": ["sync"]}

    async def async_node(state: Log) -> dict[str, Any]:
        return {"log": ["async"]}

    graph = lib.StateGraph(Log).add_node("a", sync_node).add_node("b", async_node).add_node("c", _Greeter("object"))
    return edges(graph, "START>a a>b b>c c>END").compile(name="functions_of_every_kind")


@case(
    input={"log": []},
    options=Options(configurable={"user_id": "ada", "depth": 2}),
    nodes=["a", "child", "b"],
    values={"log": ["a ada 2", "child ada 2", "b ada 2"]},
)
def config_reaches_every_node(lib: Library) -> Any:
    """Keys of the user's own included, also inside subgraphs (2.7)."""

    def user(config: Any) -> str:
        return f"{config['configurable']['user_id']} {config['configurable']['depth']}"

    def a(state: Log, config: RunnableConfig) -> dict[str, Any]:
        return {"log": [f"a {user(config)}"]}

    def inside(state: ChildLog, config: RunnableConfig) -> dict[str, Any]:
        return {"log": [f"child {user(config)}"]}

    async def b(state: Log, ctx: Context) -> dict[str, Any]:
        return {"log": [f"b {user(ctx.config)}"]}

    child = edges(lib.StateGraph(ChildLog).add_node("inside", inside), "START>inside inside>END")
    graph = lib.StateGraph(Log).add_node("a", a).add_node("child", child.compile(name="configured_child"))
    return edges(graph.add_node("b", b), "START>a a>child child>b b>END").compile(name="config_reaches_every_node")


@case(input={"log": []}, nodes=["a", "b", "c"], values={"log": ["a", "b", "c"]})
def fused_chain(lib: Library) -> Any:
    """Fusing changes where nodes run, not what comes out."""
    graph = lib.StateGraph(Log).add_node("a", says("a"), run_as="activity")
    graph.add_node("b", says("b"), run_as="activity", fuse=True).add_node("c", says("c"), run_as="activity", fuse=True)
    return edges(graph, "START>a a>b b>c c>END").compile(name="fused_chain")


@case(input={"log": [], "n": 20}, nodes=["a"], values={"log": ["42"], "n": 20})
def activity_called_from_a_node(lib: Library) -> Any:
    def double(number: int) -> int:
        return number * 2

    async def a(state: Log, ctx: Context) -> dict[str, Any]:
        return {"log": [str(await ctx.activity(double, state["n"] + 1))]}

    graph = lib.StateGraph(Log).add_node("a", a)
    graph.add_activity(double)
    return edges(graph, "START>a a>END").compile(name="activity_called_from_a_node")


# --- failure (2.3.8) -----------------------------------------------------------------------------------------------


@case(
    input={"log": []},
    error="node",
    message="node_that_fails.boom",
    nodes=["a"],
    values={"log": ["a"]},
)
def node_that_fails(lib: Library) -> Any:
    """The run fails with the node's full name; the state is that of the superstep's start."""

    def boom(state: Log) -> dict[str, Any]:
        raise ValueError("no")

    graph = add_sayers(lib.StateGraph(Log).add_node("boom", boom), "a b")
    return edges(graph, "START>a a>b a>boom b>END boom>END").compile(name="node_that_fails")


@case(input={"log": []}, error="invalid_update", message="wrong_type.a", nodes=[], values={"log": []})
def wrong_type(lib: Library) -> Any:
    def a(state: Log) -> dict[str, Any]:
        return {"n": "many"}

    return edges(lib.StateGraph(Log).add_node("a", a), "START>a a>END").compile(name="wrong_type")


@case(input={"log": []}, error="serialization", message="not_json.a", nodes=[], values={"log": []})
def not_json(lib: Library) -> Any:
    def a(state: Log) -> dict[str, Any]:
        return {"answer": object()}

    return edges(lib.StateGraph(Log).add_node("a", a), "START>a a>END").compile(name="not_json")
