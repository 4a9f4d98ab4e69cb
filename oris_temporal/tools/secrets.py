"""Secrets in the settings of tools: named, never written down."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from oris_temporal.graph.errors import ConfigurationError, ToolError

_REFERENCE = re.compile(r"\benv:([A-Za-z_][A-Za-z0-9_]*)")
_SECRET = re.compile(r"auth|cookie|credential|key|passw|secret|token", re.IGNORECASE)


def without_secrets(text: str, used: Sequence[str]) -> str:
    """A text in which the secrets are blotted out."""
    for secret in used:
        text = text.replace(secret, "***")
    return text


@contextmanager
def kept_out_of_logs(used: Sequence[str], *loggers: str) -> Iterator[None]:
    """Blot secrets out of what libraries log, such as the addresses of requests.

    Args:
        used: The secrets; some may join later.
        loggers: Names of the libraries' loggers.
    """

    def blot(record: logging.LogRecord) -> bool:
        record.msg, record.args = without_secrets(record.getMessage(), used), ()
        return True

    for name in loggers:
        logging.getLogger(name).addFilter(blot)
    try:
        yield
    finally:
        for name in loggers:
            logging.getLogger(name).removeFilter(blot)


def check_no_secrets(where: str, settings: Mapping[str, str]) -> None:
    """Refuse values whose name says that they are secrets, unless they name a variable.

    Raises:
        ConfigurationError: There is one.
    """
    for name, value in settings.items():
        if _SECRET.search(name) and not _REFERENCE.search(value):
            raise ConfigurationError(
                f"{where}: {name} looks like a secret; put it into a variable of the worker and pass 'env:NAME'."
            )


def with_secrets(where: str, settings: Mapping[str, str], used: list[str]) -> dict[str, str]:
    """Settings with the values of the variables that they name as ``env:NAME``.

    Args:
        where: Whose settings they are, for the error.
        settings: The settings.
        used: Gets the values, so that errors can leave them out.

    Raises:
        ToolError: The environment lacks a variable (kind ``credentials``).
    """

    def value(reference: re.Match[str]) -> str:
        found = os.environ.get(reference[1], "").strip()
        if not found:
            raise ToolError(
                f"{where}: the worker's environment has no {reference[1]}. Set it where the worker runs.",
                kind="credentials",
            )
        used.append(found)
        return found

    return {name: _REFERENCE.sub(value, text) for name, text in settings.items()}
