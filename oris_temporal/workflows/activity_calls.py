"""Calling activities from a graph workflow: within the server's limits, and with failures that are ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy as TemporalRetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, TimeoutType
from temporalio.exceptions import TimeoutError as TemporalTimeoutError

from oris_temporal.graph.duration import to_timedelta
from oris_temporal.graph.errors import GraphError, NodeError, NodeTimeoutError, PayloadTooLargeError, error_class
from oris_temporal.graph.options import RetryPolicy
from oris_temporal.graph.tasks import being_cancelled
from oris_temporal.graph.wire import wire_size

from .payloads import ordered, payload_size
from .present import Present

TASK_BYTES = 3_000_000
"""Bytes of activity input scheduled in one workflow task, below Temporal's 4 MB for one transaction."""

OPEN_ACTIVITIES = 1_000
"""Activities open at once, half of what the server takes (docs: 2,000 pending activities)."""


class ActivityCalls:
    """Schedules the activities of one run.

    Args:
        payload_limit: Bytes of JSON accepted for one payload; ``None`` is no limit, for clusters with external storage.
        is_cancelling: Whether the run is being cancelled.
        check_history: Raises if the history has no room for another one.
        present: The present workflow task.
    """

    def __init__(
        self,
        payload_limit: int | None,
        is_cancelling: Callable[[], bool],
        check_history: Callable[[], None],
        present: Present,
    ) -> None:
        self._limit = payload_limit
        self._is_cancelling = is_cancelling
        self._check_history = check_history
        self._present = present
        self._open = 0
        self._scheduled_bytes = 0
        self._scheduled_at = 0

    async def execute(
        self,
        name: str,
        args: Sequence[Any],
        *,
        what: str,
        owner: str,
        failing: str | None = None,
        local: bool = False,
        retry: RetryPolicy,
        task_queue: str | None = None,
        heartbeat: Any = None,
        priority: Any = None,
        **options: Any,
    ) -> Any:
        """Run an activity to its end.

        Args:
            name: Activity type.
            args: Its arguments, JSON data.
            what: What the arguments are, for the error when they are too large.
            owner: Who calls, ``graph.node``.
            failing: What fails if it does; default its type.
            local: Whether it is a local activity.
            retry: Retry policy.
            task_queue: Task queue of its workers; ``None`` is the run's own.
            heartbeat: Longest silence of its worker (`timedelta`), or ``None``.
            priority: Its priority, or ``None``.
            options: What regular and local activities have in common: ``activity_id``, ``summary`` and time limits.

        Raises:
            PayloadTooLargeError: The arguments are larger than Temporal takes.
            HistoryTooLongError: The history has no room for it.
            GraphError: It failed for good.
        """
        payloads = [ordered(arg) for arg in args]
        size = sum(map(payload_size, payloads))
        self._check(what, owner, size)
        await self._room_for(size)
        self._check_history()
        options["retry_policy"] = temporal_retry(retry)
        options["cancellation_type"] = workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
        self._open += 1
        try:
            if local:
                return await workflow.execute_local_activity(name, args=payloads, **options)
            if priority is not None:
                options["priority"] = priority
            return await workflow.execute_activity(
                name, args=payloads, task_queue=task_queue, heartbeat_timeout=heartbeat, **options
            )
        except (ActivityError, ApplicationError, TemporalTimeoutError, CancelledError) as error:
            raise self._failure(failing or name, error, task_queue) from error
        finally:
            self._open -= 1

    def check_size(self, what: str, node: str, wire: Any) -> None:
        """Refuse a payload that is larger than Temporal takes.

        Raises:
            PayloadTooLargeError: It is.
        """
        self._check(what, node, wire_size(wire))

    def _check(self, what: str, node: str, size: int) -> None:
        if self._limit is not None and size > self._limit:
            raise PayloadTooLargeError(
                f"{node}: the {what} has {size:,} bytes of JSON; Temporal takes at most {self._limit:,} in one payload. "
                "Pass a reference to the data, or configure external storage on the client's data converter.",
                node=node,
                size=size,
            )

    async def _room_for(self, size: int) -> None:
        """Keep the commands of one workflow task, and the open activities, within the server's limits."""
        while True:
            here = self._present.look()
            if here != self._scheduled_at:
                self._scheduled_at, self._scheduled_bytes = here, 0
            fits = not self._scheduled_bytes or self._scheduled_bytes + size <= TASK_BYTES
            if fits and self._open < OPEN_ACTIVITIES:
                self._scheduled_bytes += size
                return
            open_now = self._open
            await workflow.wait_condition(lambda open_now=open_now: self._open < open_now)  # type: ignore[misc]

    def _failure(self, name: str, error: BaseException, task_queue: str | None) -> BaseException:
        """What an activity's failure means for the run."""
        cause = error.cause if isinstance(error, ActivityError) else error  # a local activity raises the cause itself
        if isinstance(cause, CancelledError) and (self._is_cancelling() or being_cancelled()):
            return asyncio.CancelledError()
        queue = task_queue or workflow.info().task_queue
        return node_failure(name, cause, f"no worker took it from task queue {queue!r}")


@lru_cache
def temporal_retry(policy: RetryPolicy) -> TemporalRetryPolicy:
    """A retry policy in Temporal's terms. Which errors are retried is decided where they are raised."""
    return TemporalRetryPolicy(
        initial_interval=to_timedelta(policy.initial_interval),
        backoff_coefficient=policy.backoff_coefficient,
        maximum_interval=to_timedelta(policy.maximum_interval),
        maximum_attempts=policy.maximum_attempts,
    )


def node_failure(name: str, cause: BaseException | None, unstarted: str) -> GraphError:
    """The typed error of a failed activity or child workflow."""
    if isinstance(cause, ApplicationError):
        details = cause.details[0] if cause.details and isinstance(cause.details[0], dict) else {}
        known = error_class(cause.type or "")
        if known is not None and issubclass(known, GraphError):
            return known(cause.message, **details)
        text = f"Node {name} failed: {cause.type or 'error'}: {cause.message}"
        return NodeError(text, node=name, cause_type=cause.type or "error")
    if isinstance(cause, TemporalTimeoutError):
        what = {
            TimeoutType.START_TO_CLOSE: "did not finish an attempt in time",
            TimeoutType.SCHEDULE_TO_CLOSE: "did not finish in time, with all its attempts",
            TimeoutType.SCHEDULE_TO_START: f"was not started in time: {unstarted}",
            TimeoutType.HEARTBEAT: "stopped sending heartbeats: its worker was lost, or blocked by the node",
        }.get(cause.type or TimeoutType.START_TO_CLOSE, "timed out")
        return NodeTimeoutError(f"Node {name} {what}.", node=name, cause_type="TimeoutError")
    return NodeError(f"Node {name} failed: {cause}", node=name, cause_type=type(cause).__name__)
