"""Random graphs: our hosts against the written rules (a model of them) and against LangGraph.

The model says exactly what happens, order included. LangGraph runs the tasks of a superstep in another order (see `cases`),
so with it updates are compared superstep by superstep as a bag, and the state after each with its log sorted. Interrupts are
answered in a random order, some at a time; both must ask the same at every pause.
"""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import temporalio.client
from hosts import Host, InProcessHost, LangGraphHost, Record, Updates
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from random_graphs import Plan, answer_to, build, plans, predict
from temporal_host import TemporalHost

FIXED = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


async def play(host: Host, plan: Plan, name: str, seed: int) -> list[Record]:
    """Run a plan to its end, answering at random; returns the record after every call."""
    dice = random.Random(seed)
    graph = build(plan, host.library, name)
    records = [await host.start(graph, plan.input, name)]
    while records[-1].status == "interrupted":
        asks = {ask.value: ask.id for ask in records[-1].asks}
        chosen = dice.sample(sorted(asks), dice.randint(1, len(asks)))
        answers = {asks[question]: answer_to(question) for question in chosen}
        records.append(await host.answer(graph, name, answers))
    return records


@FIXED
@given(plan=plans(), seed=st.integers(0, 1000))
def test_in_process_runs_follow_the_rules_and_agree_with_langgraph(plan: Plan, seed: int) -> None:
    async def both() -> tuple[list[Record], list[Record]]:
        return await play(InProcessHost(), plan, "random", seed), await play(LangGraphHost(), plan, "random", seed)

    ours, theirs = asyncio.run(both())
    assert_follows_the_rules(ours[-1], plan)
    assert_agree(ours, theirs)


def _examples(count: int) -> list[tuple[Plan, int]]:
    """The first examples of a fixed search that ask somebody something and take several supersteps."""
    found: list[tuple[Plan, int]] = []

    @settings(FIXED, max_examples=100 * count, phases=[Phase.generate])
    @given(plan=plans(), seed=st.integers(0, 1000))
    def collect(plan: Plan, seed: int) -> None:
        asks = any(node.asks for node in plan.nodes)
        if len(found) < count and asks and 4 <= len(predict(plan).steps) <= 12:
            found.append((plan, seed))

    collect()
    return found


async def test_runs_on_temporal_follow_the_rules(temporal: temporalio.client.Client) -> None:
    """The same on a real server, for a handful of examples."""
    for number, (plan, seed) in enumerate(_examples(8)):
        async with TemporalHost(temporal) as host:
            records = await play(host, plan, f"random-{number}", seed)
        assert_follows_the_rules(records[-1], plan)


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
