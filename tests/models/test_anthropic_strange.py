"""Whatever a server writes in place of an answer, a caller gets a reply or a `ModelError`; nothing else, and no hanging."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from anthropic_wire import begin, delta, end, finish, request, serving, start, text_block, tool_block
from provider_server import Answer

from oris_temporal.graph.errors import ModelError

STRANGE = (None, 5, -1, True, "", "x", [], [5], {}, {"type": "x"})

THOUGHT = [
    begin(0, {"type": "thinking", "thinking": "", "signature": ""}),
    delta(0, "thinking_delta", thinking="Hm."),
    delta(0, "signature_delta", signature="sig"),
    end(0),
    begin(1, {"type": "redacted_thinking", "data": "xyz"}),
    end(1),
]
ANSWER = [
    start(cache_read_input_tokens=1, cache_creation_input_tokens=1),
    *THOUGHT,
    *text_block(2, "Hi"),
    *tool_block(3, "t1", "search", "{", "}"),
    *finish("tool_use"),
]
REFUSAL = [start(), *finish("refusal", explanation="It is so.")]
FAILURE = [start(), ("error", {"type": "error", "error": {"type": "api_error", "message": "It is so."}})]


def paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*before, key)
        yield from paths(inner, (*before, key))


def changed(events: list[tuple[str, Any]]) -> Iterator[Answer]:
    """The stream with one value of it replaced, for each of its values and each replacement."""
    plain = [list(event) for event in events]
    for path in paths(plain):
        if len(path) < 2 or path[1] == 0:
            continue  # the event itself, or its name
        for strange in STRANGE:
            copied: Any = copy.deepcopy(plain)
            place = copied
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = strange
            yield Answer.events(*map(tuple, copied))


@pytest.mark.parametrize("events", [ANSWER, REFUSAL, FAILURE], ids=["answer", "refusal", "failure"])
async def test_one_strange_value_makes_a_reply_or_a_model_error(events: list[tuple[str, Any]]) -> None:
    answers = list(changed(events))
    async with serving(*answers) as (_, adapter):
        for answer in answers:
            try:
                reply = await adapter.generate(request(), lambda piece: None)
                reply.message("anthropic")
            except ModelError:
                pass
            except Exception as error:
                raise AssertionError(b"".join(answer.chunks).decode()) from error
