"""Anthropic's Messages API: the request of a model call."""

from __future__ import annotations

from typing import Any

from anthropic import transform_schema

from oris_temporal.graph.messages import Message
from oris_temporal.models.request import ModelRequest, ToolSpec

from .anthropic_messages import Block, conversation, text_block
from .common import check_options, has_tools, named_tool
from .failures import Failures

MAX_TOKENS = 4096
"""Most tokens of an answer, where the options do not say; the API wants a number."""

_ABSENT = ("seed", "frequency_penalty", "presence_penalty", "api")
_CACHED = {"type": "ephemeral"}


def messages_body(request: ModelRequest, provider: str, failures: Failures) -> dict[str, Any]:
    """The request's body, without `extra`.

    Raises:
        ModelError: The API cannot say what is asked for (kind ``invalid_request``).
    """
    wanted = request.response_format
    if wanted is not None and wanted.strict and _is_open(wanted.schema):
        request = request.with_schema_in_prompt()
    options = request.model.options
    check_options(request, "The Messages API", _ABSENT, failures)
    if options.temperature is not None and options.temperature > 1:
        raise failures.invalid_request(
            f"temperature is {options.temperature:g}; Anthropic's goes from 0 to 1.", option="temperature"
        )
    body: dict[str, Any] = {
        "model": request.model.model,
        "max_tokens": options.max_tokens or MAX_TOKENS,
        "messages": conversation(request.messages, provider, failures),
        "system": [text_block(message.content) for message in request.messages if _is_instruction(message)],
        "stop_sequences": list(options.stop or ()),
        "tools": [_tool(tool) for tool in request.tools],
        "tool_choice": _tool_choice(request, failures),
        "output_config": _output(request),
        "temperature": options.temperature,
        "top_p": options.top_p,
        "top_k": options.top_k,
    }
    body = {name: value for name, value in body.items() if value not in (None, [], {})}
    if (options.extra or {}).get("cache"):
        for part in ("system", "tools"):
            if part in body:
                body[part][-1]["cache_control"] = _CACHED
    return body


def _is_instruction(message: Message) -> bool:
    return message.message_type == "system" and bool(message.content.strip())


def _tool(tool: ToolSpec) -> Block:
    block: Block = {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
    if tool.strict and not _is_open(tool.parameters):
        block |= {"input_schema": _conforming(tool.parameters), "strict": True}
    return block


def _is_open(schema: Any) -> bool:
    """Whether objects of a schema may have properties that it does not name. Held to it, the model could write none of them."""
    if isinstance(schema, list):
        return any(_is_open(part) for part in schema)
    if not isinstance(schema, dict):
        return False
    if schema.get("type") == "object" and schema.get("additionalProperties", not schema.get("properties")) is not False:
        return True
    return any(_is_open(part) for part in schema.values())


def _conforming(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema in the dialect that answers can be held to: closed objects, limits as part of the description."""
    try:
        return transform_schema(schema)
    except (AssertionError, AttributeError, TypeError, ValueError):
        return schema  # it is beyond the SDK, not necessarily beyond the API


def _tool_choice(request: ModelRequest, failures: Failures) -> Block | None:
    options = request.model.options
    named = named_tool(request, failures)
    if not has_tools(request):
        return None
    if named is not None:
        choice: Block = {"type": "tool", "name": named}
    else:
        words = {"required": "any", "none": "none"}
        choice = {"type": words.get(options.tool_choice or "auto", "auto")}
    if options.parallel_tool_calls is False and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    elif options.tool_choice is None:
        return None
    return choice


def _output(request: ModelRequest) -> Block:
    output: Block = {}
    if effort := request.model.options.reasoning_effort:
        output["effort"] = "low" if effort == "minimal" else effort
    wanted = request.response_format
    if wanted is not None and not wanted.in_prompt:
        schema = _conforming(wanted.schema) if wanted.strict else wanted.schema
        output["format"] = {"type": "json_schema", "schema": schema}
    return output
