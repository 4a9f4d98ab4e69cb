"""Task queues of model calls."""

from __future__ import annotations

from collections.abc import Mapping

from oris_temporal.graph.errors import ConfigurationError

from .providers import find_provider


class ModelQueues:
    """Which task queue the calls of a provider's models go to.

    Args:
        queues: One for all providers, or one by provider; those that it does not name, and ``None``, are called on the run's own.

    Raises:
        ConfigurationError: A provider is not registered, or is named twice.
    """

    def __init__(self, queues: str | Mapping[str, str] | None = None) -> None:
        self._all = queues if isinstance(queues, str) else None
        self._by_provider: dict[str, str] = {}
        for name, queue in queues.items() if isinstance(queues, Mapping) else ():
            provider = find_provider(name).name
            if self._by_provider.setdefault(provider, queue) != queue:
                raise ConfigurationError(
                    f"model_task_queue has two task queues for provider {provider!r}; name it once."
                )

    def of(self, provider: str) -> str | None:
        """The task queue of a provider's models; ``None`` is the run's own."""
        return self._all or self._by_provider.get(provider)
