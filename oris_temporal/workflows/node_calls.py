"""What Temporal is told of the activity of a node: its queue, time limits and retries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import Priority

from oris_temporal.graph.duration import to_timedelta, to_timedelta_or_none
from oris_temporal.graph.node import Node
from oris_temporal.graph.options import RetryPolicy

from .protocol import REMOTE_HEARTBEAT, remote_queue

_REMOTE_TIME = timedelta(days=3650)
"""Time limit where Temporal wants one: what a remote node may take is counted by the facade, from when a worker first leased it."""

_REMOTE_RETRY = RetryPolicy(maximum_attempts=0, backoff_coefficient=1)
"""Temporal gives a remote node to another facade when all were silent; what workers fail at, they retry by the facade."""


def options_of(chain: Sequence[Node], retry: RetryPolicy) -> dict[str, Any]:
    """Options of the activity of a node or fused chain.

    Args:
        chain: The node, and those fused with it.
        retry: The node's retry policy, as far as it is not spent.
    """
    node, options = chain[0], chain[0].options
    given: dict[str, Any] = {
        "local": node.side == "local",
        "retry": retry,
        "task_queue": options.task_queue,
        "heartbeat": to_timedelta(options.heartbeat),
        "priority": None if options.priority is None else Priority(priority_key=options.priority),
        "start_to_close_timeout": sum((to_timedelta(item.options.timeout) for item in chain), timedelta()),
        "schedule_to_close_timeout": to_timedelta_or_none(options.total_timeout),
        "schedule_to_start_timeout": to_timedelta_or_none(options.schedule_to_start),
    }
    if node.side == "remote":
        given |= {
            "retry": _REMOTE_RETRY,
            "task_queue": options.task_queue or remote_queue(workflow.info().task_queue),
            "heartbeat": REMOTE_HEARTBEAT,
            "start_to_close_timeout": _REMOTE_TIME,
        }
    return given
