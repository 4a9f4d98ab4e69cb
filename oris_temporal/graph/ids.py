"""Ids that the server takes."""

from __future__ import annotations

from hashlib import sha256

ID_BYTES = 1_000
"""Bytes of an id that Temporal takes, of a workflow or an activity (docs: self-hosted defaults, ``limit.maxIDLength``)."""

PLACE_BYTES = 600
"""Bytes of a namespace within a task id, which leaves room for the node's name and the number of a call."""


def bounded(id: str, limit: int = ID_BYTES) -> str:
    """An id of at most `limit` bytes: a longer one is cut, and a digest of the whole stands for its tail."""
    raw = id.encode(errors="backslashreplace")
    if len(raw) <= limit:
        return id
    digest = sha256(raw).hexdigest()[:32]
    return f"{raw[: limit - len(digest) - 1].decode(errors='ignore')}~{digest}"
