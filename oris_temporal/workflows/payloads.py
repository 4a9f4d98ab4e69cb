"""Payloads: our JSON data as Temporal stores it."""

from __future__ import annotations

import json
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue


def ordered(wire: Any) -> Any:
    """JSON data as an argument or result that keeps the order of its keys; Temporal's own converter would sort them.

    Codecs and external storage of the data converter see it like any other payload.
    """
    if wire is None:
        return None
    return RawValue(
        Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(wire, separators=(",", ":")).encode())
    )
