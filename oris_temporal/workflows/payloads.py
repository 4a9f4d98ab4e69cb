"""Payloads: our JSON data as Temporal stores it."""

from __future__ import annotations

import json
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from .protocol import PAYLOAD_LIMIT


def ordered(wire: Any) -> Any:
    """JSON data as an argument or result that keeps the order of its keys; Temporal's own converter would sort them.

    Codecs and external storage of the data converter see it like any other payload.
    """
    if wire is None:
        return None
    return RawValue(
        Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(wire, separators=(",", ":")).encode())
    )


def payload_limit(converter: Any) -> int | None:
    """Bytes of JSON accepted for one payload; no limit where the data converter has external storage."""
    return None if getattr(converter, "external_storage", None) is not None else PAYLOAD_LIMIT
