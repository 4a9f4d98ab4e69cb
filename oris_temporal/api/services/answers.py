"""Answers of interrupts, told apart and found again: each is an update of the workflow with an id of its own.

Temporal applies an update id once and keeps its outcome with the run, so the first answer to an interrupt resume can be
read back, and an interrupt that was resumed in another way has none.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import timedelta
from typing import Any, cast

from temporalio.client import WorkflowUpdateFailedError
from temporalio.service import RPCError, RPCStatusCode

from oris_temporal.client import OrisClient, RunResult
from oris_temporal.client.lookup import runs_of
from oris_temporal.graph.interrupts import Interrupt
from oris_temporal.graph.records import RunStatus
from oris_temporal.workflows.protocol import RunReport

from ..models.jobs import RunJob
from .outcomes import run_job

_READING = timedelta(seconds=1)
"""Time to read an answer that is there."""


def answer_key(interrupt_id: str, value: Any) -> str:
    """Update id of answering an interrupt with a value; the order of an object's keys does not matter."""
    text = json.dumps([interrupt_id, value], ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return f"interrupt-resume:{hashlib.sha256(text.encode()).hexdigest()}"


async def first_answer(client: OrisClient, interrupt: Interrupt, value: Any, wait: timedelta) -> RunJob | None:
    """What the first resume of an interrupt with this value was answered; ``None`` if it was resumed otherwise."""
    workflow_id = f"{client.id_prefix}{interrupt.thread_id}"
    for run in await runs_of(client.temporal, workflow_id, interrupt.thread_id):
        handle = client.temporal.get_workflow_handle(workflow_id, run_id=run.run_id)
        update = handle.get_update_handle(answer_key(interrupt.id, value), workflow_run_id=run.run_id)
        try:
            async with asyncio.timeout(max(wait, _READING).total_seconds()):
                report = RunReport.from_wire(await update.result())
        except TimeoutError:  # its run goes on
            report = RunReport("running")
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                continue
            raise
        except WorkflowUpdateFailedError:
            return None
        return run_job(await _result_of(client, interrupt.thread_id, run.run_id, report, wait), failing="resume failed")
    return None


async def _result_of(client: OrisClient, thread_id: str, run_id: str, report: RunReport, wait: timedelta) -> RunResult:
    if report.continued:
        return await client.result(thread_id, wait=wait)
    return RunResult(
        thread_id=thread_id,
        run_id=run_id,
        status=cast("RunStatus", report.status),
        values=report.values or {},
        state=report.values,
        interrupts=[Interrupt.from_wire(item) for item in report.interrupts or ()],
        checkpoint_id=report.checkpoint_id,
        error=report.error,
    )
