"""What a log says of an error: the code of the person who reads it, without the frames of this package and of Temporal's SDK."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path
from typing import Any

import temporalio
from temporalio.exceptions import ApplicationError

_OURS = tuple(f"{place}/" for place in (*temporalio.__path__, str(Path(__file__).parent.parent)))


class BriefFormatter(logging.Formatter):
    """Formats a node's error as the node raised it."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name that logging calls
        """The error's traceback, from the first line that is not ours."""
        error = ei[1]
        while isinstance(error, ApplicationError) and error.__cause__ is not None:
            error = error.__cause__
        shown = traceback.TracebackException.from_exception(error)
        theirs = [frame for frame in shown.stack if not frame.filename.startswith(_OURS)]
        if theirs:
            shown.stack = traceback.StackSummary.from_list(theirs)
        return "".join(shown.format()).rstrip()
