"""`llm_node`: a node that asks a model."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from oris_temporal.graph.context import Context
from oris_temporal.graph.messages import Message
from oris_temporal.models import ChatModel, ToolSpec, init_chat_model
from oris_temporal.models.answer_type import answer_type
from oris_temporal.models.request import tool_specs
from oris_temporal.tools import Tool


def llm_node(
    model: str | ChatModel,
    *,
    system_prompt: str | None = None,
    tools: Sequence[Tool | ToolSpec] = (),
    response_format: Any = None,
    messages: str = "messages",
    **options: Any,
) -> Callable[[Any, Context], Awaitable[dict[str, Any]]]:
    """A ready node that sends a conversation to a model and adds its answer.

    Args:
        model: ``provider:model``, a model's name alone, or a `ChatModel`.
        system_prompt: Put before the conversation; it does not become part of it.
        tools: Tools the model may call; the calls are for another node to make.
        response_format: The JSON it must answer: a type that it is checked against, or a `ResponseFormat`; see `Context.llm`.
        messages: State field that has the conversation.
        options: See `ModelOptions`.

    Returns:
        A node for ``add_node``. It runs inside the workflow and makes one call of ``ctx.llm``.

    Raises:
        ConfigurationError: The model's name, a tool or an option is wrong, or the type has no JSON schema.

    Example:
        >>> graph.add_node("answer", llm_node("openai:gpt-4o-mini", system_prompt="Be brief.", temperature=0))
    """
    chosen = init_chat_model(model, **options)
    answer_type(response_format)
    specs = tool_specs(tools)
    instructions = [] if system_prompt is None else [Message.system(system_prompt)]

    async def ask(state: Any, ctx: Context) -> dict[str, Any]:
        said = state.get(messages) if isinstance(state, Mapping) else getattr(state, messages, None)
        answer = await ctx.llm(chosen, [*instructions, *(said or [])], tools=specs, response_format=response_format)
        return {messages: [answer]}

    ask.__name__ = f"llm_{chosen.name}"
    return ask
