"""Every conformance case on every host, against the result that is written in the case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
import temporalio.client
from cases import ABSENT, CASES, Case, Pause
from hosts import Host, InProcessHost, LangGraphHost, Record
from temporal_host import TemporalHost

ORACLE = [case for case in CASES if case.oracle]


def _named(cases: list[Case]) -> Any:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.name)


@_named(CASES)
@pytest.mark.parametrize("run_as", ["activity", "workflow", "local"])
async def test_in_process(case: Case, run_as: Any) -> None:
    await play(case, InProcessHost(run_as))


@_named(CASES)
@pytest.mark.parametrize("run_as", ["activity", "workflow", "local"])
async def test_on_temporal(case: Case, run_as: Any, temporal: temporalio.client.Client) -> None:
    async with TemporalHost(temporal, run_as) as host:
        await play(case, host)


@_named(CASES)
async def test_on_temporal_carried_over_at_every_boundary(case: Case, temporal: temporalio.client.Client) -> None:
    """Continuing as new after every superstep, and while it waits for people, a run ends the same."""
    async with TemporalHost(temporal, continue_as_new_after=10) as host:
        await play(case, host)


@_named(ORACLE)
async def test_langgraph_meets_the_same_expectations(case: Case) -> None:
    await play(case, LangGraphHost())


@_named([case for case in ORACLE if case.oracle is True])
async def test_langgraph_agrees_on_every_update(case: Case) -> None:
    """Updates, the state after every superstep and what is asked on the way are the same in both libraries."""
    ours = await play(case, InProcessHost())
    theirs = await play(case, LangGraphHost())
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.steps == other.steps
        assert mine.boundaries == other.boundaries
        assert (mine.status, mine.questions, mine.error) == (other.status, other.questions, other.error)


async def play(case: Case, host: Host) -> list[Record]:
    """Run a case to its end, checking what it expects; returns the record after every call."""
    graph = case.build(host.library)
    thread_id = f"{case.name}-{uuid4().hex[:8]}"
    records = [await host.start(graph, case.input, thread_id, case.options)]
    for pause in case.pauses:
        check_pause(records[-1], pause)
        records.append(await go_on(host, graph, thread_id, records[-1], pause))
    check_end(records[-1], case)
    return records


def check_pause(record: Record, pause: Pause) -> None:
    assert record.status == "interrupted", record
    assert record.questions == pause.asks
    if pause.next is not None:
        assert record.next == (pause.next,)


async def go_on(host: Host, graph: Any, thread_id: str, record: Record, pause: Pause) -> Record:
    if pause.answers is not None:
        return await host.answer(graph, thread_id, _by_id(record, pause.answers))
    if pause.answer is not ABSENT:
        return await host.resume(graph, thread_id, pause.answer)
    return await host.proceed(graph, thread_id)


def _by_id(record: Record, answers: Mapping[str, Any]) -> dict[str, Any]:
    """Answers by node, or by question where one node asks several."""
    found = {ask.id: answers[key] for ask in record.asks for key in (ask.node, str(ask.value)) if key in answers}
    assert len(found) == len(answers)
    return found


def check_end(record: Record, case: Case) -> None:
    assert record.status == ("completed" if case.error is None else "failed"), record
    assert record.error == case.error
    assert case.message in record.message
    assert not record.asks
    if case.error is None:
        assert record.next == ()
    if case.nodes is not None:
        assert [line for line in record.nodes if line] == case.nodes
    if case.values is not None:
        assert record.values == case.values
