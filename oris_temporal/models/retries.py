"""Retries of model calls. They belong to Temporal; provider SDKs try once."""

from __future__ import annotations

from oris_temporal.graph.options import RetryPolicy

DEFAULT_RETRIES = 5
"""Attempts after the first, where the model's options do not say."""


def model_retry(max_retries: int | None) -> RetryPolicy:
    """Retry policy of model calls. Which errors are retried, the errors say themselves (`ModelError.is_retryable`)."""
    retries = DEFAULT_RETRIES if max_retries is None else max_retries
    return RetryPolicy(maximum_attempts=1 + retries, initial_interval="1s", maximum_interval="1m")
