"""Long conversations are summed up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from oris_temporal.graph.context import Context
from oris_temporal.graph.errors import GraphCompileError
from oris_temporal.graph.messages import Message, RemoveMessage
from oris_temporal.models import ChatModel, init_chat_model
from oris_temporal.tools.results import BYTES_PER_TOKEN

from .base import Middleware, State

PROMPT = (
    "Sum up the conversation below for the assistant that takes part in it, and will have your summary in place of it. Keep what it needs "
    "to go on: what the user wants, facts and names, decisions, results of tools, and what is left to do. Write the summary only."
)
_SUMMARY = "summary"


class SummarizationMiddleware(Middleware):
    """Replaces the older part of a conversation that has grown long with a summary, in the state: once, until it has grown again.

    A tool call stays with its results, so a few more messages than `keep` may remain; system messages stay at the beginning.

    Args:
        model: The model that writes the summary: ``provider:model``, a model's name alone, or a `ChatModel`.
        max_messages: Most messages before it is summed up; ``None`` is no limit.
        max_tokens: Most tokens, estimated from the text; ``None`` is no limit.
        keep: How many of the latest messages remain as they are.
        prompt: What that model is told.
        options: Of that model; see `ModelOptions`.

    Raises:
        ConfigurationError: The model's name or an option is wrong.
        GraphCompileError: ``keep`` leaves nothing to sum up, or there is no limit.
    """

    def __init__(
        self,
        model: str | ChatModel,
        *,
        max_messages: int | None = 50,
        max_tokens: int | None = None,
        keep: int = 10,
        prompt: str = PROMPT,
        **options: Any,
    ) -> None:
        if keep < 1 or (max_messages is not None and max_messages < keep + 2):
            raise GraphCompileError(
                f"SummarizationMiddleware: keep={keep} must be at least 1, and max_messages={max_messages} larger by 2 or more."
            )
        if max_messages is None and max_tokens is None:
            raise GraphCompileError("SummarizationMiddleware needs a limit: max_messages or max_tokens.")
        self._model = init_chat_model(model, **options).without_tools()
        self._max_messages = max_messages
        self._max_tokens = max_tokens
        self._keep = keep
        self._prompt = prompt

    async def before_model(self, state: State, ctx: Context) -> Any:
        """See `Middleware.before_model`."""
        messages: list[Message] = state["messages"]
        cut = self._cut(messages)
        if not self._is_long(messages, cut):
            return None
        text = "\n\n".join(_line(message) for message in messages[:cut] if message.message_type != "system")
        conversation = [Message.system(self._prompt), Message.human(text)]
        answer = await ctx.llm(
            self._model, conversation, summary=f"{self._model.name} sums up {cut} messages", held=True
        )
        summary = Message.human(f"The conversation so far, summed up:\n{answer.content}", extra={_SUMMARY: True})
        instructions = [message for message in messages[:cut] if message.message_type == "system"]
        return {"messages": [RemoveMessage.all(), *instructions, summary, *messages[cut:]]}

    def _cut(self, messages: Sequence[Message]) -> int:
        """Where the messages begin that remain."""
        cut = max(len(messages) - self._keep, 0)
        while cut and messages[cut].message_type == "tool":
            cut -= 1
        return cut

    def _is_long(self, messages: Sequence[Message], cut: int) -> bool:
        old = [
            message
            for message in messages[:cut]
            if message.message_type != "system" and not (message.extra or {}).get(_SUMMARY)
        ]
        if len(old) < 2:
            return False
        if self._max_messages is not None and len(messages) > self._max_messages:
            return True
        if self._max_tokens is None:
            return False
        # Where the latest messages alone are too long, it waits until there is enough else to be worth a summary.
        return _tokens(messages) > self._max_tokens and _tokens(old) > self._max_tokens // 4


def _tokens(messages: Sequence[Message]) -> int:
    return sum(len(_line(message).encode(errors="replace")) for message in messages) // BYTES_PER_TOKEN


def _line(message: Message) -> str:
    calls = f" {json.dumps(message.tool_calls, ensure_ascii=False)}" if message.tool_calls else ""
    return f"{message.message_type}: {message.content}{calls}"
