"""Prompt, model, tools and response format chosen anew for each model call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from typing import Any

from oris_temporal.graph.engine import maybe_await
from oris_temporal.graph.messages import Message
from oris_temporal.models import ChatModel, init_chat_model
from oris_temporal.tools import Tool

from .base import Middleware, ModelCall, ModelHandler


class _Chosen(Middleware, ABC):
    """Calls a function with each `ModelCall` and changes the call by what it returns."""

    def __init__(self, fn: Callable[[ModelCall], Any]) -> None:
        self._fn = fn
        self.functions = (fn,)

    async def wrap_model_call(self, call: ModelCall, handler: ModelHandler) -> Message:
        """See `Middleware.wrap_model_call`."""
        return await handler(self._changed(call, await maybe_await(self._fn(call))))

    @abstractmethod
    def _changed(self, call: ModelCall, chosen: Any) -> ModelCall:
        """The call with what the function returned."""


class DynamicPromptMiddleware(_Chosen):
    r"""Makes the system prompt of each model call.

    Args:
        fn: From the call to its system prompt; ``call.system_prompt`` is the one so far, and ``None`` means no prompt. Plain or
            async, and deterministic, as all that runs inside the workflow.

    Example:
        >>> DynamicPromptMiddleware(lambda call: f"{call.system_prompt}\\nThe user is {call.ctx.config['configurable']['user']}.")
    """

    def __init__(self, fn: Callable[[ModelCall], str | Awaitable[str | None] | None]) -> None:
        super().__init__(fn)

    def _changed(self, call: ModelCall, chosen: Any) -> ModelCall:
        return replace(call, system_prompt=chosen)


class DynamicModelMiddleware(_Chosen):
    """Chooses the model of each call.

    Args:
        fn: From the call to its model: ``provider:model``, a model's name alone, or a `ChatModel`, which may have options. Plain or
            async, and deterministic.

    Example:
        >>> DynamicModelMiddleware(lambda call: "openai:gpt-4o" if len(call.messages) > 20 else "openai:gpt-4o-mini")
    """

    def __init__(self, fn: Callable[[ModelCall], str | ChatModel | Awaitable[str | ChatModel]]) -> None:
        super().__init__(fn)

    def _changed(self, call: ModelCall, chosen: Any) -> ModelCall:
        return replace(call, model=init_chat_model(chosen))


class DynamicToolsMiddleware(_Chosen):
    """Chooses the tools of each model call. Those that are left out can neither be seen nor called.

    Args:
        fn: From the call to its tools, or their names; ``call.tools`` are those so far, and others are ignored. Plain or async, and
            deterministic.

    Example:
        >>> DynamicToolsMiddleware(lambda call: [tool for tool in call.tools if not tool.name.startswith("admin_")])
    """

    def __init__(self, fn: Callable[[ModelCall], Collection[Tool | str] | Awaitable[Collection[Tool | str]]]) -> None:
        super().__init__(fn)

    def _changed(self, call: ModelCall, chosen: Any) -> ModelCall:
        names = {item if isinstance(item, str) else item.name for item in chosen}
        return replace(call, tools=[tool for tool in call.tools if tool.name in names])


class DynamicResponseFormatMiddleware(_Chosen):
    """Chooses the response format of each model call.

    The state's ``structured_response`` is an instance of the type if the agent's own ``response_format`` is a union that has it, and
    JSON data if the agent has no response format.

    Args:
        fn: From the call to its response format, as for `create_agent`, or ``None`` for text. Plain or async, and deterministic.
    """

    def _changed(self, call: ModelCall, chosen: Any) -> ModelCall:
        return replace(call, response_format=chosen)
