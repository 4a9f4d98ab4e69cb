"""Words that must not be said."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any, Literal

from oris_temporal.graph.context import Context
from oris_temporal.graph.control import Command
from oris_temporal.graph.errors import ContentBlockedError, GraphCompileError
from oris_temporal.graph.messages import Message

from .base import Middleware, ModelCall, ModelHandler, State, answer_text
from .words import whole_word

Place = Literal["input", "output"]

_INPUT: tuple[Place, ...] = ("input",)
_FILTERED = "filtered"


class ContentFilterMiddleware(Middleware):
    """Looks for banned words in what humans newly say, and in answers, which are not streamed then while they are written.

    Args:
        banned: Words or phrases, found as whole words in any case; or compiled regular expressions.
        on_match: ``error`` fails the run with `ContentBlockedError`; ``end`` ends the agent with `message` as its answer.
        message: That answer.
        apply_to: Where to look: ``input``, ``output``.

    Raises:
        GraphCompileError: Nothing is banned, or there is no such place.
    """

    def __init__(
        self,
        banned: Sequence[str | re.Pattern[str]],
        *,
        on_match: Literal["error", "end"] = "error",
        message: str = "I cannot help with that.",
        apply_to: Collection[Place] = _INPUT,
    ) -> None:
        if isinstance(banned, str) or not banned or not all(banned):
            raise GraphCompileError("ContentFilterMiddleware: banned is a list of words or regular expressions.")
        if unknown := [place for place in apply_to if place not in ("input", "output")]:
            raise GraphCompileError(f"ContentFilterMiddleware looks at input and output, not {unknown[0]!r}.")
        self._banned = [item if isinstance(item, re.Pattern) else whole_word(item) for item in banned]
        self._fails = on_match == "error"
        self._message = message
        self._apply_to = apply_to
        self.holds_answers = "output" in apply_to

    async def before_agent(self, state: State, ctx: Context) -> Any:
        """See `Middleware.before_agent`."""
        if "input" not in self._apply_to:
            return None
        for message in reversed(state["messages"]):
            if message.message_type == "ai":  # what was said before it had its answer
                return None
            if message.message_type == "human" and self._matches(message.content, "the input"):
                return Command(update={"messages": [Message.ai(self._message)]}, goto="end")
        return None

    async def wrap_model_call(self, call: ModelCall, handler: ModelHandler) -> Message:
        """See `Middleware.wrap_model_call`."""
        answer = await handler(call)
        if "output" not in self._apply_to or not self._matches(answer_text(answer, call.tools), "the answer"):
            return answer
        return Message.ai(self._message, extra={**_usage(answer), _FILTERED: True})

    async def after_model(self, state: State, ctx: Context) -> Any:
        """See `Middleware.after_model`."""
        return Command(goto="end") if (state["messages"][-1].extra or {}).get(_FILTERED) else None

    def _matches(self, text: str, where: str) -> bool:
        if not any(pattern.search(text) for pattern in self._banned):
            return False
        if self._fails:
            raise ContentBlockedError(f"ContentFilterMiddleware: there is banned content in {where}.", where=where)
        return True


def _usage(answer: Message) -> dict[str, Any]:
    """What the answer that is replaced has used, and who wrote it."""
    return {name: value for name, value in (answer.extra or {}).items() if name in ("provider", "model", "usage")}
