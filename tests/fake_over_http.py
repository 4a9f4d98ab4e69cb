"""A provider that speaks OpenAI's Chat Completions and answers as the fake models do: ``gpt-x`` of it is ``fake:x``."""

from __future__ import annotations

from typing import Any

import openai_wire as wire
from provider_server import Answer, Asked

from oris_temporal.activities.providers import fake
from oris_temporal.graph.messages import Message
from oris_temporal.models import ModelReply, ModelRequest, ResponseFormat, ToolSpec, init_chat_model
from oris_temporal.models.providers import AdapterSettings


class FakeOverHttp:
    """What a `ProviderServer` answers with.

    Attributes:
        answers: How many it gave.
    """

    def __init__(self) -> None:
        self.answers = 0
        self._adapter = fake.adapter(AdapterSettings("fake", None, None))

    def __call__(self, asked: Asked) -> Answer:
        self.answers += 1
        pieces: list[Any] = []
        coroutine = self._adapter.generate(_request(asked.body), pieces.append)
        try:
            while True:
                coroutine.send(None)  # fake models wait for nothing but the event loop
        except StopIteration as end:
            return _written(end.value, pieces, f"chatcmpl-{self.answers}")


def _request(body: dict[str, Any]) -> ModelRequest:
    options = {name: body[name] for name in ("tool_choice", "parallel_tool_calls") if name in body}
    functions = [tool["function"] for tool in body.get("tools", ())]
    wanted = body.get("response_format", {}).get("json_schema")
    return ModelRequest(
        init_chat_model(body["model"].replace("gpt-", "fake:"), **options),
        [Message.parse({**message, "content": message["content"] or ""}) for message in body["messages"]],
        [ToolSpec(function["name"], function["description"], function["parameters"]) for function in functions],
        ResponseFormat(wanted["name"], wanted["schema"]) if wanted else None,
    )


def _written(reply: ModelReply, pieces: list[Any], id: str) -> Answer:
    deltas = [wire.chunk({"content": piece["text"]}) for piece in pieces if piece["type"] == "text"]
    deltas += [
        wire.tool(place, call["function"]["arguments"], id=f"{id}-{place}", name=call["function"]["name"])
        for place, call in enumerate(reply.tool_calls)
    ]
    end = wire.chunk({}, "tool_calls" if reply.tool_calls else "stop")
    return wire.chat(*({**chunk, "id": id} for chunk in (*deltas, end, wire.chunk(usage=wire.USAGE))))
