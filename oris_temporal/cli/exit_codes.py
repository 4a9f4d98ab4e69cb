"""What exit codes mean, the same for every command."""

from __future__ import annotations

from enum import IntEnum

from oris_temporal.graph.errors import (
    ConfigurationError,
    EmptyInputError,
    InvalidAnswerError,
    InvalidUpdateError,
    NodeNotFoundError,
    OrisError,
    PayloadTooLargeError,
    PersistenceError,
    SerializationError,
    StreamModeError,
    UnavailableError,
)
from oris_temporal.graph.records import RunStatus


class Exit(IntEnum):
    """Exit codes."""

    OK = 0
    """The run completed, or the command did what it was asked for."""

    ERROR = 1
    """Anything else: the request does not fit the run's present state, or an error nobody expected."""

    USAGE = 2
    """The command line is wrong, what it gives (an input, an answer, an update) does not fit, or a setting or an optional package is
    wrong or missing."""

    INTERRUPTED = 3
    """The run waits for a person."""

    FAILED = 4
    """The run failed or was cancelled; for ``verify``: a history diverged."""

    NOT_FOUND = 5
    """There is no such thread, checkpoint, interrupt, node, graph or namespace."""

    UNAVAILABLE = 6
    """The server does not answer, no worker serves the task queue, or the namespace is not set up."""

    RUNNING = 7
    """The run still runs; ``--wait`` ended first."""

    STOPPED = 130
    """Ctrl-C, where that does not end in order, as it does for ``dev`` and ``worker``."""


TABLE = """\
exit codes:
  0  completed, or done
  1  another error, such as a conflict with the run's present state
  2  usage: the command line, an input or answer that does not fit, a setting or an optional package
  3  the run waits for a person
  4  the run failed or was cancelled; verify: a history diverged
  5  no such thread, checkpoint, interrupt, node, graph or namespace
  6  the server does not answer, no worker serves the queue, or the namespace is not set up
  7  the run still runs: --wait ended first
  130  stopped by Ctrl-C; dev and worker: 0
"""

_BY_STATUS: dict[RunStatus, Exit] = {
    "completed": Exit.OK,
    "interrupted": Exit.INTERRUPTED,
    "failed": Exit.FAILED,
    "cancelled": Exit.FAILED,
    "running": Exit.RUNNING,
}


def exit_of_status(status: RunStatus) -> Exit:
    """Exit code of a command that waits for a run."""
    return _BY_STATUS[status]


def exit_of_error(error: OrisError) -> Exit:
    """Exit code of a command that ended with an error."""
    match error:
        case ConfigurationError() | StreamModeError() | InvalidAnswerError():
            return Exit.USAGE
        case EmptyInputError() | InvalidUpdateError() | SerializationError() | PayloadTooLargeError():
            return Exit.USAGE
        case PersistenceError() | NodeNotFoundError():
            return Exit.NOT_FOUND
        case UnavailableError():
            return Exit.UNAVAILABLE
        case _:
            return Exit.ERROR
