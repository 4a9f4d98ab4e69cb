"""Messages that a model sees beside the conversation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

from oris_temporal.graph.engine import maybe_await
from oris_temporal.graph.errors import GraphCompileError
from oris_temporal.graph.messages import Message

from .base import Middleware, ModelCall, ModelHandler

Position = Literal["beginning", "before_last", "end"]


class MessageInjectionMiddleware(Middleware):
    """Adds messages to the conversation as the model sees it; they do not become part of the state.

    Args:
        messages: The messages, in any form that `Message` understands; or a function, plain or async and deterministic, from the
            `ModelCall` to them.
        position: ``beginning``, ``before_last`` (before the last message; tool calls and their results count as one), or ``end``.

    Raises:
        GraphCompileError: There is no such position.
        InvalidUpdateError: One of the messages is none.
    """

    def __init__(
        self,
        messages: Sequence[Any] | Callable[[ModelCall], Sequence[Any] | Awaitable[Sequence[Any]]],
        *,
        position: Position = "beginning",
    ) -> None:
        if position not in ("beginning", "before_last", "end"):
            raise GraphCompileError(
                f"MessageInjectionMiddleware: position={position!r} must be beginning, before_last or end."
            )
        self._position = position
        self._messages: Any = messages if callable(messages) else [Message.parse(item) for item in messages]
        self.functions = (messages,) if callable(messages) else ()

    async def wrap_model_call(self, call: ModelCall, handler: ModelHandler) -> Message:
        """See `Middleware.wrap_model_call`."""
        given = await maybe_await(self._messages(call)) if callable(self._messages) else self._messages
        said = list(call.messages)
        place = {"beginning": 0, "before_last": _before_last(said), "end": len(said)}[self._position]
        said[place:place] = [Message.parse(item) for item in given]
        return await handler(replace(call, messages=said))


def _before_last(messages: Sequence[Message]) -> int:
    place = max(len(messages) - 1, 0)
    while place and messages[place].message_type == "tool":
        place -= 1
    return place
