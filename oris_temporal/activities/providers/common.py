"""What the requests of all providers have in common."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from oris_temporal.graph.errors import ModelError
from oris_temporal.graph.messages import Message
from oris_temporal.models.providers import AdapterSettings
from oris_temporal.models.request import ModelRequest

from .call_ids import CallIds
from .failures import Failures


def check_options(request: ModelRequest, interface: str, absent: Collection[str], failures: Failures) -> None:
    """Refuse options that an interface does not have.

    Raises:
        ModelError: One of the ``absent`` options is set (kind ``invalid_request``).
    """
    for option in absent:
        if getattr(request.model.options, option) is not None:
            raise failures.invalid_request(
                f"{interface} has no option {option!r}. Leave it out; if this server knows it nevertheless, pass "
                f"extra={{{option!r}: ...}}.",
                option=option,
            )


def named_tool(request: ModelRequest, failures: Failures) -> str | None:
    """The tool that `tool_choice` names, or ``None`` if it is a word (``auto``, ``none``, ``required``) or not set.

    Raises:
        ModelError: A tool is demanded that the request does not have (kind ``invalid_request``).
    """
    choice = request.model.options.tool_choice
    if choice in (None, "auto", "none") or "tools" in (request.model.options.extra or {}):
        return None if choice in (None, "auto", "none", "required") else choice
    if choice == "required":
        if not request.tools:
            raise failures.invalid_request(
                "tool_choice is 'required', but the request has no tools.", option="tool_choice"
            )
        return None
    names = [tool.name for tool in request.tools]
    if choice not in names:
        raise failures.invalid_request(
            f"tool_choice is {choice!r}, but the tools of the request are: {', '.join(names) or 'none'}.",
            option="tool_choice",
        )
    return choice


def has_tools(request: ModelRequest) -> bool:
    """Whether there are tools to choose from; options about choosing are an error where there are none."""
    return bool(request.tools) or "tools" in (request.model.options.extra or {})


def extra_fields(request: ModelRequest, body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The option `extra` on top of the body's fields; objects are merged, tools join those of the body, all else is replaced."""
    extra = request.model.options.extra
    if not extra:
        return None
    fields = {name: _merged(body.get(name), value) for name, value in extra.items()}
    if isinstance(tools := fields.get("tools"), list):
        fields["tools"] = [*body.get("tools", ()), *tools]
    return fields


def _merged(below: Any, above: Any) -> Any:
    if not (isinstance(below, Mapping) and isinstance(above, Mapping)):
        return above
    return {**below, **{name: _merged(below.get(name), value) for name, value in above.items()}}


def spoken(message: Message) -> str:
    """The text of an AI message: what it says, or why the model refused."""
    refusal = (message.extra or {}).get("refusal")
    return message.content or (refusal if isinstance(refusal, str) else "")


def stored_calls(message: Message) -> list[tuple[str, str, str, dict[str, Any]]]:
    """Tool calls of an AI message: id, name, arguments as JSON text, and what else the provider wrote."""
    calls = message.tool_calls if isinstance(message.tool_calls, list) else []
    return [_stored_call(call) for call in calls if isinstance(call, Mapping)]


def _stored_call(call: Mapping[str, Any]) -> tuple[str, str, str, dict[str, Any]]:
    function = call.get("function")
    body: Mapping[str, Any] = function if isinstance(function, Mapping) else call
    arguments = body.get("arguments", body.get("args"))
    text = arguments if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False)
    more = {
        name: value
        for name, value in call.items()
        if name not in ("id", "type", "function", "name", "args", "arguments")
    }
    # no arguments at all is what models write for tools without parameters; servers that parse it want an object
    return str(call.get("id") or ""), str(body.get("name") or ""), text or "{}", more


def own_reasoning(message: Message, provider: str, api: str) -> Mapping[str, Any]:
    """What this provider said about its reasoning through this interface, to be given back; else nothing."""
    reasoning = (message.extra or {}).get("reasoning")
    if isinstance(reasoning, Mapping) and reasoning.get("provider") == provider and reasoning.get("api") == api:
        return reasoning
    return {}


def answered_call(message: Message, failures: Failures) -> str:
    """The id of the call that a tool message answers.

    Raises:
        ModelError: It has none (kind ``invalid_request``).
    """
    if not message.id:
        raise failures.invalid_request("A tool message has no id, so it answers no tool call.")
    return message.id


def about_images(message: Message, ids: CallIds) -> str:
    """What to say with images that can only be shown in a message of the user."""
    what = "this image" if len(message.images or ()) == 1 else "these images"
    match message.message_type:
        case "tool":
            return f"The tool call {ids.fit(message.id or '')} returned {what}:"
        case "ai":
            return f"The assistant's message above goes with {what}:"
    return f"The instructions above go with {what}:"


def count(holder: object, name: str) -> int:
    """A number of tokens; 0 where a server leaves it out, or writes what is no number."""
    number = getattr(holder, name, None)
    return max(0, number) if isinstance(number, int) else 0


def check_settings(settings: AdapterSettings) -> None:
    """Find out now what would look like a failure of the network later.

    Raises:
        ModelError: The address is none (kind ``configuration``), or the key cannot be one (kind ``credentials``).
    """
    if not _is_address(settings.base_url or ""):
        raise ModelError(
            f"Provider {settings.provider}: its address must start with http:// or https://. Set it where the worker runs.",
            kind="configuration",
            provider=settings.provider,
        )
    if settings.api_key and not (settings.api_key.isascii() and settings.api_key.isprintable()):
        raise ModelError(
            f"Provider {settings.provider}: its key has characters that no key has. Set it anew where the worker runs.",
            kind="credentials",
            provider=settings.provider,
        )


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is no number, or brackets do not match
        return False
