"""Payloads: our JSON data as Temporal stores it."""

from __future__ import annotations

from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from oris_temporal.graph.wire import wire_json

from .protocol import PAYLOAD_LIMIT


def ordered(wire: Any) -> RawValue | None:
    """JSON data as an argument or result that keeps the order of its keys and its text as it is.

    Temporal's own converter would sort the keys, and take six bytes for a character that is not ASCII. Codecs and external
    storage of the data converter see it like any other payload.
    """
    if wire is None:
        return None
    return RawValue(Payload(metadata={"encoding": b"json/plain"}, data=wire_json(wire)))


def payload_size(value: RawValue | None) -> int:
    """Bytes of JSON in what `ordered` made."""
    return 0 if value is None else len(value.payload.data)


def payload_limit(converter: Any) -> int | None:
    """Bytes of JSON accepted for one payload; no limit where the data converter has external storage."""
    return None if getattr(converter, "external_storage", None) is not None else PAYLOAD_LIMIT
