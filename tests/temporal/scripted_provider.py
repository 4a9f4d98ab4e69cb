"""A provider of this process, which a test holds in its hands: it answers, waits and fails as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from oris_temporal.models import ModelReply, ModelRequest, Provider, Usage, register_provider
from oris_temporal.models.providers import Emit

Script = Callable[[ModelRequest, Emit, int], Awaitable[ModelReply]]
"""Given a request, where to send pieces, and the number of the call, from 0."""


class ScriptedProvider:
    """Registers itself as provider ``scripted``.

    Attributes:
        requests: Requests so far.
    """

    def __init__(self, script: Script) -> None:
        self.requests: list[ModelRequest] = []
        self._script = script
        register_provider(Provider("scripted", lambda settings: self))

    async def generate(self, request: ModelRequest, emit: Emit) -> ModelReply:
        self.requests.append(request)
        return await self._script(request, emit, len(self.requests) - 1)

    async def close(self) -> None:
        """Nothing to give back."""


async def say(text: str, emit: Emit, *, gate: asyncio.Event | None = None, **more: Any) -> ModelReply:
    """Write a text word by word; with a gate, all but the last word before it opens."""
    words = text.split(" ")
    for number, word in enumerate(words):
        if gate is not None and number == len(words) - 1:
            await gate.wait()
        emit({"type": "text", "text": word if number == 0 else f" {word}"})
    return ModelReply(text, usage=Usage(prompt=10, completion=len(words), calls=1), model="scripted-1", **more)
