"""Whatever a server writes in place of an answer, a caller gets a reply or a `ModelError`; nothing else, and no hanging."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import openai_wire as wire
import pytest
from openai_wire import request, serving
from provider_server import Answer

from oris_temporal.graph.errors import ModelError

STRANGE = (None, 5, -1, True, "", "x", [], [5], {}, {"type": "x"})

DETAILS = {"prompt_tokens_details": {"cached_tokens": 1}, "completion_tokens_details": {"reasoning_tokens": 1}}
CHAT = [
    wire.chunk({"role": "assistant", "content": "Hi", "reasoning_content": "Hm.", "refusal": "No"}),
    wire.tool(0, "{", id="call_a", name="weather", type="function"),
    wire.tool(0, "}"),
    wire.chunk({}, "tool_calls"),
    wire.chunk(usage={**wire.USAGE, **DETAILS}),
]
RESPONSES = [
    wire.event("response.created", response=wire.response("in_progress")),
    wire.event("response.reasoning_summary_text.delta", output_index=0, delta="Hm."),
    wire.done(0, wire.thought()),
    wire.event("response.output_text.delta", output_index=1, delta="Hi"),
    wire.done(1, wire.said("Hi", phase="commentary")),
    wire.begun(2, wire.function_call("call_a", "weather", "")),
    wire.event("response.function_call_arguments.delta", output_index=2, delta="{}"),
    wire.done(2, wire.function_call("call_a", "weather", "{}")),
    wire.event(
        "response.completed", response=wire.response(output=[wire.said("Hi")], incomplete_details={"reason": "x"})
    ),
]
FAILURES = [
    wire.event(
        "response.failed", response=wire.response("failed", error={"code": "server_error", "message": "It is so."})
    ),
]


def paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*before, key)
        yield from paths(inner, (*before, key))


def changed(events: list[Any]) -> Iterator[Answer]:
    """The stream with one value of it replaced, for each of its values and each replacement."""
    plain = [list(event) if isinstance(event, tuple) else [None, event] for event in events]
    for path in paths(plain):
        if len(path) < 3:
            continue  # the event itself, or its name
        for strange in STRANGE:
            copied: Any = copy.deepcopy(plain)
            place = copied
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = strange
            yield Answer.events(*((name, data) if name else data for name, data in copied), done=True)


@pytest.mark.parametrize(
    ("events", "options"),
    [(CHAT, {}), (RESPONSES, {"api": "responses"}), (FAILURES, {"api": "responses"})],
    ids=["chat", "responses", "failures"],
)
async def test_one_strange_value_makes_a_reply_or_a_model_error(events, options):
    answers = list(changed(events))
    async with serving(*answers) as (_, adapter):
        for answer in answers:
            try:
                reply = await adapter.generate(request(options=options), lambda piece: None)
                reply.message("openai")
            except ModelError:
                pass
            except Exception as error:
                raise AssertionError(b"".join(answer.chunks).decode()) from error
