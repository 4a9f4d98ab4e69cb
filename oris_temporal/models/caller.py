"""Calling models: the one place where a request meets its provider."""

from __future__ import annotations

from dataclasses import replace

from oris_temporal.graph.errors import ConfigurationError, ModelError
from oris_temporal.graph.wire import whole

from .answer_type import without_fence
from .prices import priced
from .providers import AdapterSettings, Emit, ModelAdapter, find_provider
from .request import ModelReply, ModelRequest
from .whole_text import WholePieces


class ModelCaller:
    """Calls models of any provider. Connections are kept from call to call, for each provider, address and key."""

    def __init__(self) -> None:
        self._adapters: dict[AdapterSettings, ModelAdapter] = {}

    async def call(self, request: ModelRequest, emit: Emit) -> ModelReply:
        """Call a model once, streaming.

        Args:
            request: What to ask.
            emit: Called with every piece of the answer as it arrives.

        Raises:
            ModelError: Credentials or a package are missing, or the provider refused or failed.
        """
        model = request.model
        try:
            provider = find_provider(model.provider)
        except ConfigurationError as error:
            raise ModelError(
                f"{error.message} It is registered elsewhere, but not on this worker.",
                kind="configuration",
                provider=model.provider,
            ) from None
        if (model.options.structured_output or provider.structured_output) == "json_object":
            request = request.with_schema_in_prompt()
        settings = provider.settings(model.options.base_url, model.options.api_key)
        adapter = self._adapters.get(settings)
        if adapter is None:
            adapter = self._adapters[settings] = provider.make(settings)
        reply = await adapter.generate(request, WholePieces(emit))
        text = whole(reply.text)
        return replace(
            reply,
            text=text if request.response_format is None else without_fence(text),
            tool_calls=whole(reply.tool_calls),
            reasoning=whole(reply.reasoning),
            refusal=whole(reply.refusal),
            usage=priced(reply.usage, provider.name, reply.model or model.model),
        )

    async def close(self) -> None:
        """Give back all connections."""
        while self._adapters:
            _, adapter = self._adapters.popitem()
            await adapter.close()
