"""Reports of workers on single steps, each taken once."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from oris_temporal.graph.errors import ConflictError

from .attempts import AttemptNotFoundError, change, lock, trace_columns, trace_in
from .database import Database
from .inserts import insert_if_new
from .leases import LeaseOwnershipError, owner
from .tables import step_reports
from .trace_context import TraceContext


class StepReportConflictError(ConflictError):
    """Another report was made with the same token."""


@dataclass(frozen=True, slots=True)
class StepReport:
    """What a worker reports.

    Attributes:
        attempt_id: An attempt, which need not be known.
        dedupe_token: Tells the attempt's reports apart.
        worker_id: The worker.
        action_id: What was done.
        status: What became of it, in the worker's words.
    """

    attempt_id: str
    dedupe_token: str
    worker_id: str
    action_id: str
    status: str


class StepReports:
    """The reports in one control store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self, report: StepReport, span_id: str, now: int, *, tenant: str | None = None
    ) -> tuple[bool, TraceContext | None]:
        """Keep a report.

        Args:
            report: The report.
            span_id: The attempt's next span.
            now: The present, in Unix milliseconds.
            tenant: Tenant whose attempts the worker may have; all by default.

        Returns:
            Whether it is new, and where the attempt stands in its trace.

        Raises:
            AttemptNotFoundError: The attempt is another tenant's.
            StepReportConflictError: Its token was used for something else.
            LeaseOwnershipError: The attempt is there, and the worker does not hold its lease.
            StoreUnavailableError: The database cannot be reached.
        """
        return await self._database.write(lambda connection: _add(connection, report, span_id, now, tenant))


def _add(
    connection: Connection, report: StepReport, span_id: str, now: int, tenant: str | None
) -> tuple[bool, TraceContext | None]:
    row = lock(connection, report.attempt_id)
    if row is not None and tenant not in (None, row.tenant_id):
        raise AttemptNotFoundError("attempt not found")
    values = {name: getattr(report, name) for name in StepReport.__slots__}
    new = insert_if_new(connection, step_reports, {**values, "reported_at": now})
    if not new and _recorded(connection, report) != (report.action_id, report.status):
        raise StepReportConflictError(
            f"Driver error: dedupe_token '{report.dedupe_token}' already used with different payload "
            f"for attempt '{report.attempt_id}'"
        )
    if row is None:
        return new, None
    if new and (holder := owner(connection, report.attempt_id, now)) != report.worker_id:
        raise LeaseOwnershipError(holder, report.worker_id)
    trace = (before := trace_in(row)) and before.advanced(span_id)
    change(connection, row, **trace_columns(trace))
    return new, trace


def _recorded(connection: Connection, report: StepReport) -> tuple[str, str]:
    query = select(step_reports.c.action_id, step_reports.c.status).where(
        step_reports.c.attempt_id == report.attempt_id, step_reports.c.dedupe_token == report.dedupe_token
    )
    action_id, status = connection.execute(query).one()
    return action_id, status
