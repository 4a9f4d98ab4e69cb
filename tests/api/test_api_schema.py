"""The OpenAPI document holds: whatever fits it, or does not, gets an answer that it describes, and never a 500."""

from __future__ import annotations

import os
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from oris_temporal.api import create_app
from oris_temporal.api.control_store import StoreSettings
from oris_temporal.api.security import SecuritySettings
from oris_temporal.config import Settings

DOCUMENT = schemathesis.openapi.from_dict(
    create_app(settings=Settings(), store=StoreSettings(), security=SecuritySettings()).openapi()
)
OPERATIONS = {found.label: found for found in (result.ok() for result in DOCUMENT.get_all_operations())}
FITS, DOES_NOT_FIT = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "20"))

# Some values that the document allows are refused with a 400 that says why, such as a thread id of white space only; and a `Prefer`
# that makes no sense is left alone (RFC 7240, section 2).
UNCHECKED = [
    schemathesis.checks.CHECKS.get_one(name) for name in ("positive_data_acceptance", "negative_data_rejection")
]


@pytest.mark.parametrize(
    ("label", "mode"),
    [
        *((label, FITS) for label in OPERATIONS),
        *((label, DOES_NOT_FIT) for label, found in OPERATIONS.items() if found.body.items or found.query.items),
    ],
)
def test_answers_are_those_of_the_document(knowing_facade: httpx.Client, label: str, mode: GenerationMode) -> None:
    strategy = OPERATIONS[label].as_strategy(generation_mode=mode)
    url = str(knowing_facade.base_url).rstrip("/")

    @given(st.data())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(data: Any) -> None:
        data.draw(strategy).call_and_validate(base_url=url, timeout=60, excluded_checks=UNCHECKED)

    ask()
