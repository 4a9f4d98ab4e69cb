"""Random graphs: described as data, built for either library, and interpreted by a model of the scheduling rules.

A `Plan` is made so that its run ends: edges lead from a node to a later one, except that a router may lead back as long as
its node has not run often. Nodes write what they saw, so that two runs are equal only if every node ran in the same superstep
on the same state. Routers decide by how often their own node ran, which both libraries see alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hosts import Updates
from hypothesis import strategies as st
from libraries import Library
from states import Walk, merge_counts

from oris_temporal import END, START, Command
from oris_temporal.graph.options import RunAs


@dataclass(frozen=True)
class NodePlan:
    """A node.

    Attributes:
        name: Its name; workers, which only a `Send` leads to, are called ``w<i>``.
        asks: How many questions it asks a person.
        goto: Where it sends the run with a `Command`, or ``None``.
        writes_last: Whether it writes the field without a reducer.
        run_as: Where it runs.
    """

    name: str
    asks: int = 0
    goto: str | None = None
    writes_last: bool = False
    run_as: RunAs = "activity"


@dataclass(frozen=True)
class Static:
    """An edge."""

    source: str
    target: str


@dataclass(frozen=True)
class Join:
    """An edge from several nodes."""

    sources: tuple[str, ...]
    target: str


@dataclass(frozen=True)
class Choice:
    """A router: the first pick after its node's first run, and so on; the last one for good."""

    source: str
    picks: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Fan:
    """A router that sends jobs to a worker."""

    source: str
    worker: str
    jobs: int


EdgePlan = Static | Join | Choice | Fan


@dataclass(frozen=True)
class Plan:
    """A random graph."""

    nodes: tuple[NodePlan, ...]
    edges: tuple[EdgePlan, ...]

    @property
    def input(self) -> dict[str, Any]:
        """Input of a run."""
        return {"log": [], "visits": {}}


# --- as a graph ----------------------------------------------------------------------------------------------------


def build(plan: Plan, lib: Library, name: str) -> Any:
    """Build the graph for a library."""
    graph = lib.StateGraph(Walk)
    for node in plan.nodes:
        graph.add_node(node.name, _function(node, lib), run_as=node.run_as)
    for edge in plan.edges:
        match edge:
            case Static(source, target):
                graph.add_edge(source, target)
            case Join(sources, target):
                graph.add_edge(list(sources), target)
            case Choice(source, picks):
                targets = sorted({target for pick in picks for target in pick})
                graph.add_conditional_edges(source, _choose(edge), targets)
            case Fan(source, worker, _):
                graph.add_conditional_edges(source, _fan_out(edge, lib), [worker])
    return graph.compile(name=name)


def _function(node: NodePlan, lib: Library) -> Any:
    async def run(state: Walk) -> Any:
        label, update = writes(node, state)
        answers = [await lib.interrupt(question) for question in questions(node, label)]
        update["log"] = ["".join([label, *answers])]
        return update

    async def run_and_go(state: Walk) -> Command:
        return lib.Command(update=await run(state), goto=node.goto)

    return run if node.goto is None else run_and_go


def _choose(edge: Choice) -> Any:
    def choose(state: Walk) -> list[str]:
        return list(pick_of(edge, state["visits"]))

    return choose


def _fan_out(edge: Fan, lib: Library) -> Any:
    def fan_out(state: Walk) -> list[Any]:
        return [lib.Send(edge.worker, {"job": job}) for job in jobs_of(edge, state["visits"])]

    return fan_out


# --- what nodes and routers do, for graph and model alike ----------------------------------------------------------


def writes(node: NodePlan, state: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Label of a task and what it writes besides the log. A worker's state is the payload sent to it."""
    if "job" in state:
        return f"{node.name}({state['job']})", {}
    visit = state["visits"].get(node.name, 0) + 1
    update: dict[str, Any] = {"visits": {node.name: 1}}
    if node.writes_last:
        update["last"] = f"{node.name}#{visit}"
    return f"{node.name}#{visit}@{len(state['log'])}", update


def questions(node: NodePlan, label: str) -> list[str]:
    """What a task asks, in order; no two tasks ask the same."""
    return [f"{label}?{number}" for number in range(node.asks)]


def answer_to(question: str) -> str:
    """The answer to a question."""
    return f" [{question} yes]"


def pick_of(edge: Choice, visits: Mapping[str, int]) -> tuple[str, ...]:
    """What a router returns."""
    return edge.picks[min(max(visits.get(edge.source, 0), 1), len(edge.picks)) - 1]


def jobs_of(edge: Fan, visits: Mapping[str, int]) -> list[str]:
    """What a router sends."""
    return [f"{edge.source}.{visits.get(edge.source, 0)}.{job}" for job in range(edge.jobs)]


# --- as a model ----------------------------------------------------------------------------------------------------


@dataclass
class Prediction:
    """What the graph model's rules say about a run: its updates by superstep and, unless it fails, its final state."""

    steps: list[Updates]
    values: dict[str, Any] | None


def predict(plan: Plan) -> Prediction:
    """Interpret a plan by the rules of 2.3, on a list of tasks, without anything of the engine."""
    nodes = {node.name: node for node in plan.nodes}
    state = plan.input
    arrived: dict[Join, set[str]] = {}
    steps: list[Updates] = []
    tasks = _targets(plan, START, state, arrived)
    while tasks:
        updates: Updates = []
        following: list[str | tuple[str, str]] = []
        for task in tasks:  # rule 3: each sees the state as of the step's start
            name, seen = (task, state) if isinstance(task, str) else (task[0], {"job": task[1]})
            label, update = writes(nodes[name], seen)
            text = "".join([label, *map(answer_to, questions(nodes[name], label))])
            updates.append((name, {**update, "log": [text]}))
        if sum("last" in update for _, update in updates) > 1:
            return Prediction(steps, None)
        for _, update in updates:  # rule 4: merged in task order at the boundary
            state = {
                **state,
                **update,
                "log": state["log"] + update["log"],
                "visits": merge_counts(state["visits"], update.get("visits", {})),
            }
        steps.append(updates)
        for name, _ in updates:  # rule 5: the union of the targets, in order
            following += _targets(plan, name, state, arrived)
            following += [goto for goto in [nodes[name].goto] if goto not in (None, END)]
        for join in [join for join, sources in arrived.items() if sources == set(join.sources)]:  # rule 6
            del arrived[join]
        tasks = [item for i, item in enumerate(following) if isinstance(item, tuple) or item not in following[:i]]
    return Prediction(steps, state)


def _targets(plan: Plan, source: str, state: dict[str, Any], arrived: dict[Join, set[str]]) -> list[Any]:
    """Resolved targets of a finished task: node names and ``(worker, job)`` pairs.

    A join is due as soon as the last of its sources finished, and until the superstep's end.
    """
    found: list[Any] = []
    for edge in plan.edges:
        match edge:
            case Static(start, target) if start == source:
                found.append(target)
            case Choice(start, _) if start == source:
                found += pick_of(edge, state["visits"])
            case Fan(start, worker, _) if start == source:
                found += [(worker, job) for job in jobs_of(edge, state["visits"])]
            case Join(sources, target) if source in sources:
                arrived.setdefault(edge, set()).add(source)
                if arrived[edge] == set(sources):
                    found.append(target)
    return [target for target in found if target != END]


# --- at random -----------------------------------------------------------------------------------------------------


@st.composite
def plans(draw: st.DrawFn, sides: tuple[RunAs, ...] = ("activity", "workflow", "local")) -> Plan:
    """Plans of up to six nodes and two workers."""
    names = [f"n{i}" for i in range(draw(st.integers(1, 6)))]
    workers = [f"w{i}" for i in range(draw(st.integers(0, 2)))]
    edges: list[EdgePlan] = []
    gotos: dict[str, str] = {}

    def later_than(name: str) -> list[str]:
        return [*names[names.index(name) + 1 :], END]

    for name in names:
        later = later_than(name)
        kinds = draw(st.lists(st.sampled_from(["static", "static", "choice", "fan", "goto"]), min_size=1, max_size=2))
        for kind in kinds:
            if kind == "static":
                edges.append(Static(name, draw(st.sampled_from(later))))
            elif kind == "choice":
                anywhere = st.lists(st.sampled_from([*names, END]), max_size=3, unique=True)
                forward = st.lists(st.sampled_from(later), min_size=1, max_size=2, unique=True)
                earlier_picks = draw(st.lists(anywhere, max_size=2))
                edges.append(Choice(name, tuple(map(tuple, [*earlier_picks, draw(forward)]))))
            elif kind == "fan" and workers:
                edges.append(Fan(name, draw(st.sampled_from(workers)), draw(st.integers(0, 3))))
            elif kind == "goto":
                gotos[name] = draw(st.sampled_from(later))
    for _ in range(draw(st.integers(0, 2)) if len(names) > 2 else 0):
        target = draw(st.integers(2, len(names) - 1))
        sources = draw(st.lists(st.sampled_from(names[:target]), min_size=2, max_size=3, unique=True))
        edges.append(Join(tuple(sources), names[target]))
    for worker in workers:
        senders = [edge.source for edge in edges if isinstance(edge, Fan) and edge.worker == worker]
        if senders:
            edges.append(Static(worker, draw(st.sampled_from(later_than(max(senders))))))
    edges += _missing_edges(draw, names, edges, gotos)
    edges = list(dict.fromkeys(draw(st.permutations(edges))))
    used = [worker for worker in workers if any(isinstance(edge, Static) and edge.source == worker for edge in edges)]
    nodes = [
        NodePlan(
            name,
            asks=draw(st.sampled_from([0, 0, 0, 1, 2])),
            goto=gotos.get(name),
            writes_last=name in names and draw(st.sampled_from([False] * 5 + [True])),
            run_as=draw(st.sampled_from(sides)),
        )
        for name in [*names, *used]
    ]
    return Plan(tuple(nodes), tuple(edges))


def _missing_edges(draw: st.DrawFn, names: list[str], edges: list[EdgePlan], gotos: dict[str, str]) -> list[EdgePlan]:
    """Edges that let every node be reached, and left for END."""
    missing: list[EdgePlan] = [Static(START, names[0])]
    led_to = {edge.target for edge in edges if isinstance(edge, Static)} | set(gotos.values())
    led_to |= {name for edge in edges if isinstance(edge, Choice) for name in edge.picks[-1]}
    for i, name in enumerate(names[1:], start=1):
        if name not in led_to:
            missing.append(Static(draw(st.sampled_from([START, *names[:i]])), name))
    left = {edge.source for edge in edges if isinstance(edge, Static | Choice)} | set(gotos)
    left |= {edge.source for edge in missing if isinstance(edge, Static)}
    return missing + [Static(name, END) for name in names if name not in left]
