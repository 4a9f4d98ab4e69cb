"""Remote tasks: attempts that a node of a graph waits for, each a Temporal activity that is completed from here.

What becomes of an attempt is kept with it first (`outcomes.end`), in the same transaction, and told to Temporal afterwards: nothing is
lost when the facade dies in between, or Temporal cannot be reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, Row, Select, bindparam, delete, insert, select, update

from oris_temporal.graph.errors import ConflictError

from .attempts import NewAttempt, change, enqueue, lock
from .database import Database
from .outcomes import Outcome, end
from .retries import RetryPolicy, policy_columns
from .tables import attempts, leases, remote_tasks

TaskState: TypeAlias = Literal["open", "ended", "told", "revived"]

_MOST = 200
_TASKS = remote_tasks.c

_OF_ATTEMPT = select(remote_tasks).where(_TASKS.attempt_id == bindparam("attempt_id"))
_OF_ACTIVITY = (
    select(remote_tasks)
    .join(attempts, attempts.c.attempt_id == _TASKS.attempt_id)
    .where(_TASKS.workflow_id == bindparam("workflow_id"), _TASKS.activity_id == bindparam("activity_id"))
    .order_by(attempts.c.number.desc())
    .limit(1)
)
_WITHOUT_INPUT = [
    column for column in _TASKS if column is not _TASKS.input
]  # which may be large, and is only for its worker
_IN_STATE = select(*_WITHOUT_INPUT).where(_TASKS.state == bindparam("state"))
_OPEN_OF = _IN_STATE.join(attempts, attempts.c.attempt_id == _TASKS.attempt_id).where(
    attempts.c.run_id == bindparam("thread_id")
)
_STANDS = select(*_WITHOUT_INPUT).where(_TASKS.attempt_id == bindparam("attempt_id"))
_CHANGE = update(remote_tasks).where(_TASKS.attempt_id == bindparam("of_attempt"))
_TOLD = _CHANGE.where(_TASKS.state == "ended", _TASKS.task_token == bindparam("of_token"))
_REVIVE = _CHANGE.where(_TASKS.state == "told")
_GIVE_UP = _CHANGE.where(_TASKS.state == "revived")


class NotToldError(ConflictError):
    """Temporal does not know yet that a remote task has failed, so it cannot be revived."""


@dataclass(frozen=True, slots=True)
class Activity:
    """A Temporal activity that waits to be completed.

    Attributes:
        workflow_id: Its workflow.
        temporal_run_id: Run id of that.
        activity_id: Its id there.
        task_token: By what Temporal knows this attempt of it.
    """

    workflow_id: str
    temporal_run_id: str
    activity_id: str
    task_token: bytes


@dataclass(frozen=True, slots=True)
class RemoteTask:
    """A remote task as it is.

    Attributes:
        attempt_id: Its attempt.
        activity: The activity that waits for it.
        graph: Name of the graph.
        node: Name of the node.
        input: What the node is called with: state fields, or what was sent. Only tasks that are taken, or handed out, have it here.
        outcome: What Temporal is to be told.
    """

    attempt_id: str
    activity: Activity
    graph: str
    node: str
    input: Any = None
    outcome: Outcome | None = None


class RemoteTasks:
    """The remote tasks of one control store.

    Every method raises `StoreUnavailableError` when the database cannot be reached. Times are Unix milliseconds.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, task: RemoteTask, new: NewAttempt, policy: RetryPolicy, now: int) -> str:
        """Take an activity over: as a new attempt, or for the one that was taken over before or is revived.

        Args:
            task: The task, as it is if it is new.
            new: Its attempt.
            policy: Whether to try again if the worker does not say.
            now: The present.

        Returns:
            Id of the attempt.
        """
        return await self._database.write(lambda connection: _take(connection, task, new, policy, now))

    async def find(self, attempt_id: str) -> RemoteTask | None:
        """The remote task of an attempt, if it is one."""
        query = {"attempt_id": attempt_id}
        row = await self._database.read(lambda connection: connection.execute(_STANDS, query).first())
        return None if row is None else _task(row)

    async def open(self) -> Sequence[RemoteTask]:
        """Tasks that activities wait for."""
        return await self._found(_IN_STATE, state="open")

    async def open_of(self, thread_id: str) -> Sequence[RemoteTask]:
        """Tasks that activities of one thread wait for."""
        return await self._found(_OPEN_OF, state="open", thread_id=thread_id)

    async def untold(self) -> Sequence[RemoteTask]:
        """Tasks that have ended, which Temporal is to be told: some at a time."""
        return await self._found(_IN_STATE.limit(_MOST), state="ended")

    async def told(self, task: RemoteTask) -> None:
        """Note that Temporal was told how a task ended."""
        which = {"of_attempt": task.attempt_id, "of_token": task.activity.task_token}
        await self._database.write(lambda connection: connection.execute(_TOLD, {**which, "state": "told"}))

    async def cancel(self, task: RemoteTask, reason: str) -> None:
        """End a task whose node was cancelled, or is gone."""

        def work(connection: Connection) -> None:
            row = lock(connection, task.attempt_id)
            present = task_of(connection, task.attempt_id)
            if row is None or present is None or present.activity != task.activity:
                return
            end(connection, [task.attempt_id], {"cancelled": reason})
            change(connection, row, status="cancelled", retry_at=None, started_at=None, lost_at=None)
            connection.execute(delete(leases).where(leases.c.attempt_id == task.attempt_id))

        await self._database.write(work)

    async def _found(self, query: Select[Any], state: TaskState, **which: str) -> Sequence[RemoteTask]:
        which["state"] = state
        rows = await self._database.read(lambda connection: connection.execute(query, which).all())
        return [_task(row) for row in rows]


def task_of(connection: Connection, attempt_id: str) -> RemoteTask | None:
    """The remote task of an attempt, if it is one."""
    row = connection.execute(_OF_ATTEMPT, {"attempt_id": attempt_id}).first()
    return None if row is None else _task(row)


def await_revival(connection: Connection, row: Row[Any]) -> None:
    """Let a locked attempt that failed wait until its node is called again.

    Raises:
        NotToldError: Temporal does not know yet that it failed.
    """
    if not connection.execute(_REVIVE, {"of_attempt": row.attempt_id, "state": "revived", "outcome": None}).rowcount:
        raise NotToldError(f"The run of attempt {row.attempt_id} has not heard yet that it failed. Try again.")
    change(connection, row, status="retry_backoff", first_attempt_no=row.attempt_no, retry_at=None, worker_id=None)


def give_up_revival(connection: Connection, row: Row[Any]) -> bool:
    """Let a locked attempt that waits for its node be a failed one again; returns whether it did wait."""
    if not connection.execute(_GIVE_UP, {"of_attempt": row.attempt_id, "state": "told"}).rowcount:
        return False
    change(connection, row, status="failed")
    return True


def _take(connection: Connection, task: RemoteTask, new: NewAttempt, policy: RetryPolicy, now: int) -> str:
    activity = {name: getattr(task.activity, name) for name in Activity.__slots__}
    place = {"workflow_id": task.activity.workflow_id, "activity_id": task.activity.activity_id}
    known = connection.execute(_OF_ACTIVITY, place).first()
    if known is not None and (row := lock(connection, known.attempt_id)) is not None:
        known = connection.execute(_OF_ATTEMPT, {"attempt_id": known.attempt_id}).one()
        which = {"of_attempt": known.attempt_id}
        if known.state == "revived" and row.status == "retry_backoff":
            connection.execute(_CHANGE, {**which, **activity, "input": task.input, "state": "open"})
            change(connection, row, status="queued")
            return str(known.attempt_id)
        if known.temporal_run_id == task.activity.temporal_run_id:  # Temporal asks again, having heard nothing
            state = "open" if known.outcome is None else "ended"
            connection.execute(_CHANGE, {**which, **activity, "state": state})
            return str(known.attempt_id)
    enqueue(connection, new, now, remote=True, **policy_columns(policy))
    what = {"attempt_id": new.attempt_id, "graph": task.graph, "node": task.node, "input": task.input}
    connection.execute(insert(remote_tasks).values(**what, **activity, state="open"))
    return new.attempt_id


def _task(row: Row[Any]) -> RemoteTask:
    activity = Activity(**{name: getattr(row, name) for name in Activity.__slots__})
    return RemoteTask(row.attempt_id, activity, row.graph, row.node, row._mapping.get("input"), row.outcome)
