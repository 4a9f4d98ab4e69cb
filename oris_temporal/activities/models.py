"""The activity ``llm``: one model call, streaming."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from oris_temporal.graph.errors import ModelError
from oris_temporal.graph.options import RetryPolicy
from oris_temporal.graph.wire import to_wire
from oris_temporal.models.caller import ModelCaller
from oris_temporal.models.request import RESTART, ModelRequest, Piece, chunk_of
from oris_temporal.workflows.failures import tellable
from oris_temporal.workflows.message_log import FORMS, LOGS
from oris_temporal.workflows.protocol import LLM, PAYLOAD_LIMIT, ModelInput

from .fields import FieldCache
from .heartbeat import Pulse
from .nodes import check_result, failing_as


class ModelActivities:
    """Makes the model calls of one worker.

    Args:
        fields: The worker's copies of conversations.
        payload_limit: Bytes of JSON an answer may have; ``None`` is no limit, for clusters with external payload storage.
    """

    def __init__(self, fields: FieldCache, *, payload_limit: int | None = PAYLOAD_LIMIT) -> None:
        self._fields = fields
        self._models = ModelCaller()
        self._limit = payload_limit

    @activity.defn(name=LLM)
    async def llm(self, wire: dict[str, Any]) -> Any:
        """Call a model and return its answer, a message with its usage in ``extra``.

        Heartbeats carry what it has written so far, unless it is held; cancellation ends the request.
        """
        given = ModelInput.from_wire(wire)
        with Pulse() as pulse:

            def emit(piece: Piece) -> None:
                if not given.held:
                    pulse.write(chunk_of(piece))

            if activity.info().attempt > 1 and not given.held:
                pulse.write(RESTART)
            request = await self._read(given)
            with failing_as(request.model.name, RetryPolicy()):
                try:
                    reply = await self._models.call(request, emit)
                except ModelError as error:
                    raise _failure(error) from tellable(error)
            answer = to_wire(reply.message(request.model.provider), f"answer of {request.model.name}")
            return check_result(request.model.name, answer, self._limit)

    async def _read(self, given: ModelInput) -> ModelRequest:
        log, length, *tail = given.messages
        messages = (await self._fields.resolve({log: [LOGS, 0, length, *tail]}))[log]
        form: dict[str, Any] = {}
        if given.form is not None:
            form = (await self._fields.resolve({given.form: [FORMS, 0, 1]}))[given.form][0]
        return ModelRequest.from_wire(given.model, messages, form, activity.info().attempt)


def _failure(error: ModelError) -> ApplicationError:
    """The Temporal failure of a model call. A provider that asks to wait is nothing to be alarmed about."""
    return ApplicationError(
        error.message,
        error.details,
        type=type(error).__name__,
        non_retryable=not error.is_retryable,
        next_retry_delay=None if error.retry_after is None else timedelta(seconds=error.retry_after),
        category=ApplicationErrorCategory.BENIGN if error.is_retryable else ApplicationErrorCategory.UNSPECIFIED,
    )
