"""What model calls cost, by the price table of the package ``genai-prices``."""

from __future__ import annotations

from dataclasses import replace

from .usage import Usage

_NOT_PRICED = frozenset({"fake", "ollama"})
"""Providers that charge nothing."""


def priced(usage: Usage, provider: str, model: str) -> Usage:
    """This usage with its cost.

    Args:
        usage: Of one call.
        provider: The provider's name.
        model: The model that answered, as the provider names it.

    Returns:
        The same with ``cost`` in US dollars, unless the provider said it; or counted as ``unpriced`` if the package or the model is
        not there, or the provider's counts contradict each other.
    """
    if usage.cost or provider in _NOT_PRICED:
        return usage
    try:
        from genai_prices import Usage as Tokens
        from genai_prices import calc_price

        tokens = Tokens(
            input_tokens=usage.prompt,
            output_tokens=usage.completion,
            cache_read_tokens=usage.cached,
            cache_write_tokens=usage.cache_writes,
        )
        price = calc_price(tokens, model_ref=model, provider_id=_IDS.get(provider, provider))
    except (ImportError, LookupError, ValueError):
        return replace(usage, unpriced=usage.calls)
    return replace(usage, cost=float(price.total_price))


_IDS = {"gemini": "google"}
"""Providers that the table knows under another name."""
