"""Names of signals."""

from __future__ import annotations

from .errors import InvalidUpdateError

RESERVED = frozenset({"resume", "oris_child_waits"})
"""Signals that graph workflows handle themselves."""


def check_signal(name: str) -> None:
    """Refuse a name that a node could not receive.

    Raises:
        InvalidUpdateError: It is empty, or one of the workflow's own, or of Temporal's.
    """
    if not isinstance(name, str) or not name.strip():
        raise InvalidUpdateError(f"The name of a signal must be text that is not empty, not {name!r}.")
    if name in RESERVED or name.startswith("__temporal"):
        raise InvalidUpdateError(
            f"A signal cannot be called {name!r}: that is the workflow's own. Choose another name."
        )
