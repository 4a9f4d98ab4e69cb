"""The work as Temporal workflows written by hand with `temporalio`, one per row."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

from temporalio import activity, workflow
from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import RetryPolicy, WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker

with workflow.unsafe.imports_passed_through():
    from oris_temporal.workflows.search_attributes import STATUS

    from . import work
    from .work import Delta, Item, Row, Said, State

TIMEOUT = timedelta(minutes=10)
RETRIES = RetryPolicy(maximum_attempts=3)
EAGER_SLOTS = 100


@activity.defn
async def step(state: State) -> Delta:
    return await work.step(state)


@activity.defn
async def branch(item: Item) -> Delta:
    return await work.branch(item)


@activity.defn
async def turn(state: State) -> Delta:
    return await work.turn(state)


@activity.defn
async def think(messages: list[Said]) -> Said:
    return work.think(messages)


@activity.defn
async def act(message: Said) -> Said:
    return work.act(message)


@workflow.defn(name="linear10")
class Linear:
    @workflow.run
    async def run(self, state: State) -> State:
        for _ in range(work.LINEAR):
            delta = await workflow.execute_activity(step, state, start_to_close_timeout=TIMEOUT, retry_policy=RETRIES)
            state["notes"] += delta["notes"]
        return state


class _FanOut:
    async def spread(self, state: State, width: int) -> State:
        deltas = await asyncio.gather(
            *(
                workflow.execute_activity(
                    branch,
                    Item(question=state["question"], item=item),
                    start_to_close_timeout=TIMEOUT,
                    retry_policy=RETRIES,
                )
                for item in range(width)
            )
        )
        for delta in deltas:
            state["notes"] += delta["notes"]
        return state


@workflow.defn(name="fanout10")
class FanOut10(_FanOut):
    @workflow.run
    async def run(self, state: State) -> State:
        return await self.spread(state, 10)


@workflow.defn(name="fanout50")
class FanOut50(_FanOut):
    @workflow.run
    async def run(self, state: State) -> State:
        return await self.spread(state, 50)


@workflow.defn(name="inline20")
class Inline:
    @workflow.run
    async def run(self, state: State) -> State:
        for _ in range(work.INLINE):
            state["notes"] += (await work.step(state))["notes"]
        return state


@workflow.defn(name="mixed10")
class Mixed:
    @workflow.run
    async def run(self, state: State) -> State:
        for side in work.MIXED:
            if side == "a":
                delta = await workflow.execute_activity(
                    step, state, start_to_close_timeout=TIMEOUT, retry_policy=RETRIES
                )
            else:
                delta = await work.step(state)
            state["notes"] += delta["notes"]
        return state


@workflow.defn(name="approval")
class Approval:
    def __init__(self) -> None:
        self._asked: Any = None
        self._answer: Any = None

    @workflow.run
    async def run(self, state: State) -> State:
        self._asked = work.ASKED
        await workflow.wait_condition(lambda: self._answer is not None)
        state["notes"].append(work.approval_note(self._answer))
        return state

    @workflow.query
    def asked(self) -> Any:
        return self._asked

    @workflow.update
    async def wait_until_asked(self) -> Any:
        await workflow.wait_condition(lambda: self._asked is not None)
        return self._asked

    @workflow.update
    async def answer(self, answer: Any) -> None:
        self._asked, self._answer = None, answer

    @answer.validator
    def _check_answer(self, answer: Any) -> None:
        if self._asked is None:
            raise ApplicationError("Nothing was asked.", type="NotAsked")
        if not isinstance(answer, dict) or "approved" not in answer:
            raise ApplicationError("An answer says whether it is approved.", type="BadAnswer")


@workflow.defn
class ApprovalInbox(Approval):
    """Like `Approval`, and findable: by a search attribute, with the question in its memo."""

    @workflow.run
    async def run(self, state: State) -> State:
        self._asked = work.ASKED
        workflow.upsert_search_attributes([STATUS.value_set("interrupted")])
        workflow.upsert_memo({"asked": work.ASKED})
        await workflow.wait_condition(lambda: self._answer is not None)
        state["notes"].append(work.approval_note(self._answer))
        return state


@workflow.defn(name="loop50")
class Loop:
    @workflow.run
    async def run(self, state: State) -> State:
        while len(state["notes"]) < work.FIRST_ENTRIES + work.LOOP:
            delta = await workflow.execute_activity(turn, state, start_to_close_timeout=TIMEOUT, retry_policy=RETRIES)
            state["notes"] += delta["notes"]
        return state


@workflow.defn(name="agent50")
class Agent:
    @workflow.run
    async def run(self, state: State) -> State:
        messages: list[Said] = [{"role": "user", "content": state["question"]}]
        while True:
            messages.append(
                await workflow.execute_activity(think, messages, start_to_close_timeout=TIMEOUT, retry_policy=RETRIES)
            )
            if "tool_call" not in messages[-1]:
                return work.outcome(messages)
            messages.append(
                await workflow.execute_activity(act, messages[-1], start_to_close_timeout=TIMEOUT, retry_policy=RETRIES)
            )


WORKFLOWS = [Linear, FanOut10, FanOut50, Inline, Mixed, Approval, ApprovalInbox, Loop, Agent]
ACTIVITIES = [step, branch, turn, think, act]


class HandWritten:
    """Tuned as ours is: no sandbox, and eager slots as wide as the fan-out. The fairest, and hardest, comparison."""

    title = "hand-written"

    _worker_options: dict[str, Any] = {  # noqa: RUF012
        "workflow_runner": UnsandboxedWorkflowRunner(),
        "max_eager_activity_reservations_per_workflow_task": EAGER_SLOTS,
    }
    _replayer_options: dict[str, Any] = {"workflow_runner": UnsandboxedWorkflowRunner()}  # noqa: RUF012

    def rows(self) -> frozenset[str] | None:
        """All."""
        return None

    def worker(self, client: Client, task_queue: str) -> Worker:
        """See `Implementation.worker`."""
        return Worker(client, task_queue=task_queue, workflows=WORKFLOWS, activities=ACTIVITIES, **self._worker_options)

    def replayer(self) -> Replayer:
        """See `Implementation.replayer`."""
        return Replayer(workflows=WORKFLOWS, **self._replayer_options)

    async def run(self, client: Client, task_queue: str, row: Row, id: str) -> Any:
        """Start and wait for the result; an approval is read by query and answered by update."""
        if row.name != "approval":
            return await client.execute_workflow(row.name, row.input, id=id, task_queue=task_queue)
        handle = await client.start_workflow(Approval.run, row.input, id=id, task_queue=task_queue)
        assert await handle.query(Approval.asked) == work.ASKED
        await handle.execute_update(Approval.answer, work.ANSWER)
        return await handle.result()


class HandWrittenUpdateWithStart(HandWritten):
    """Started by an update that returns the question, as ours is."""

    title = "hand-written, update-with-start"

    _approval: Any = Approval.run

    def rows(self) -> frozenset[str] | None:
        """Only the approval: nothing else has an early answer."""
        return frozenset({"approval"})

    async def run(self, client: Client, task_queue: str, row: Row, id: str) -> Any:
        """See `Implementation.run`."""
        start = WithStartWorkflowOperation(
            self._approval,
            row.input,
            id=id,
            task_queue=task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
        )
        asked = await client.execute_update_with_start_workflow(
            Approval.wait_until_asked, start_workflow_operation=start, id=uuid4().hex
        )
        assert asked == work.ASKED
        handle = await start.workflow_handle()
        await handle.execute_update(Approval.answer, work.ANSWER)
        return await handle.result()


class HandWrittenInbox(HandWrittenUpdateWithStart):
    """With what it takes to list the approvals that wait, which a graph run has anyway."""

    title = "hand-written, with inbox"

    _approval: Any = ApprovalInbox.run


class HandWrittenDefaults(HandWritten):
    """With the SDK's defaults: sandboxed, three eager slots."""

    title = "hand-written, SDK defaults"

    _worker_options: dict[str, Any] = {}  # noqa: RUF012
    _replayer_options: dict[str, Any] = {}  # noqa: RUF012
