"""Random graphs: our hosts against the written rules (a model of them) and against LangGraph.

The model says exactly what happens, order included. LangGraph runs the tasks of a superstep in another order (see `cases`),
so with it updates are compared superstep by superstep as a bag, and the state after each with its log sorted. Interrupts are
answered in a random order, some at a time; both must ask the same at every pause.
"""

from __future__ import annotations

import asyncio
import json
import random
from functools import cache
from typing import Any
from uuid import uuid4

import pytest
import temporalio.client
from hosts import Host, InProcessHost, LangGraphHost, Record, Updates, finished_steps
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from random_graphs import Plan, answer_to, build, plans, predict
from states import Walk
from temporal_host import TemporalHost

from oris_temporal import END, START
from oris_temporal.graph.options import RunAs

FIXED = settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


async def play(host: Host, plan: Plan, name: str, seed: int) -> list[Record]:
    """Run a plan to its end, answering at random; returns the record after every call."""
    graph = build(plan, host.library, name)
    return await finish(host, graph, name, await host.start(graph, plan.input, name), seed)


async def finish(host: Host, graph: Any, thread_id: str, record: Record, seed: int) -> list[Record]:
    """Answer at random whatever a run asks until it ends."""
    dice = random.Random(seed)
    records = [record]
    while records[-1].status == "interrupted":
        asks = {ask.value: ask.id for ask in records[-1].asks}
        chosen = dice.sample(sorted(asks), dice.randint(1, len(asks)))
        answers = {asks[question]: answer_to(question) for question in chosen}
        records.append(await host.answer(graph, thread_id, answers))
    return records


@FIXED
@given(plan=plans(), seed=st.integers(0, 1000))
def test_in_process_runs_follow_the_rules_and_agree_with_langgraph(plan: Plan, seed: int) -> None:
    async def both() -> tuple[list[Record], list[Record]]:
        return await play(InProcessHost(), plan, "random", seed), await play(LangGraphHost(), plan, "random", seed)

    ours, theirs = asyncio.run(both())
    assert_follows_the_rules(ours[-1], plan)
    assert_agree(ours, theirs)


@settings(FIXED, max_examples=60)
@given(plan=plans(), seed=st.integers(0, 1000))
def test_in_a_subgraph_the_same_happens(plan: Plan, seed: int) -> None:
    """The parent ends up with what the child wrote, and the child's questions are asked through it."""

    async def run() -> Record:
        host = InProcessHost()
        graph = host.library.StateGraph(Walk).add_node("sub", build(plan, host.library, "inner"))
        parent = graph.add_edge(START, "sub").add_edge("sub", END).compile(name="outer")
        return (await finish(host, parent, "t", await host.start(parent, plan.input, "t"), seed))[-1]

    record = asyncio.run(run())
    predicted = predict(plan)
    if predicted.values is None:
        assert (record.status, record.error) == ("failed", "invalid_update")
    else:
        assert (record.status, record.values) == ("completed", predicted.values)


@settings(FIXED, max_examples=60)
@given(plan=plans(), seed=st.integers(0, 1000))
def test_a_replay_of_any_checkpoint_ends_the_same(plan: Plan, seed: int) -> None:
    """Steps up to the checkpoint are not repeated, those after it are, with the same result."""
    predicted = predict(plan)
    if predicted.values is None:
        return

    async def replays() -> None:
        host = InProcessHost()
        graph = build(plan, host.library, "replayed")
        await finish(host, graph, "t", await host.start(graph, plan.input, "t"), seed)
        for snapshot in await host.history(graph, "t"):
            earlier = len(finished_steps(await host.history(graph, "t"))[0])
            replayed = await host.replay(graph, "t", snapshot.checkpoint_id)
            record = (await finish(host, graph, "t", replayed, seed))[-1]
            assert (record.status, record.values) == ("completed", predicted.values)
            assert list(record.steps[earlier:]) == predicted.steps[snapshot.metadata["step"] - 1 :]

    asyncio.run(replays())


@cache
def _examples(count: int) -> list[tuple[Plan, int]]:
    """The first examples of a fixed search that ask somebody something and take several supersteps."""
    found: list[tuple[Plan, int]] = []

    @settings(FIXED, max_examples=20 * count, phases=[Phase.generate])
    @given(plan=plans(), seed=st.integers(0, 1000))
    def collect(plan: Plan, seed: int) -> None:
        asks = any(node.asks for node in plan.nodes)
        if len(found) < count and asks and 4 <= len(predict(plan).steps) <= 12:
            found.append((plan, seed))

    collect()
    assert len(found) == count
    return found


@pytest.mark.parametrize(
    ("run_as", "continue_as_new_after"), [("activity", None), ("activity", 10), ("workflow", 10), ("local", None)]
)
async def test_runs_on_temporal_follow_the_rules(
    temporal: temporalio.client.Client, run_as: RunAs, continue_as_new_after: int | None
) -> None:
    """The same on a real server, for a handful of examples; also with runs that continue as new all the time."""

    async def check(plan: Plan, seed: int) -> None:
        async with TemporalHost(temporal, run_as, continue_as_new_after=continue_as_new_after) as host:
            records = await play(host, plan, f"random-{uuid4().hex[:8]}", seed)
        assert_follows_the_rules(records[-1], plan)

    async with asyncio.TaskGroup() as together:
        for plan, seed in _examples(9):
            together.create_task(check(plan, seed))


def assert_follows_the_rules(record: Record, plan: Plan) -> None:
    """The updates, in order, and the final state are those of the model."""
    predicted = predict(plan)
    assert list(record.steps) == predicted.steps
    if predicted.values is None:
        assert (record.status, record.error) == ("failed", "invalid_update")
    else:
        assert record.status == "completed"
        assert record.values == predicted.values


def assert_agree(ours: list[Record], theirs: list[Record]) -> None:
    """Both asked the same at every pause and made the same updates in every superstep."""
    mine, other = ours[-1], theirs[-1]
    assert (mine.status, mine.error) == (other.status, other.error)
    if mine.error is not None:
        return  # of two writers that clash LangGraph may tell earlier, at a pause within their superstep
    assert [sorted(record.questions) for record in ours] == [sorted(record.questions) for record in theirs]
    assert [_bag(step) for step in mine.steps] == [_bag(step) for step in other.steps]
    assert [_sorted_log(values) for values in mine.boundaries] == [_sorted_log(values) for values in other.boundaries]


def _bag(updates: Updates) -> list[str]:
    return sorted(json.dumps(update, sort_keys=True) for update in updates)


def _sorted_log(values: dict[str, Any]) -> dict[str, Any]:
    return {**values, "log": sorted(values["log"])}
