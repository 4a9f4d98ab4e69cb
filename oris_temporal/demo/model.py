"""Which model the demo asks: a real one if there is a key, else the fake provider, which needs none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

VARIABLE = "ORIS_DEMO_MODEL"
"""Names the model, in place of what follows from the keys."""

FAKE = "fake:tools"

BY_KEY = {"OPENAI_API_KEY": "openai:gpt-6-luna", "ANTHROPIC_API_KEY": "anthropic:claude-haiku-5-5"}
"""A small, current model of each provider, by the variable that has its key."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A model, and why it is this one.

    Attributes:
        name: ``provider:model``.
        reason: A clause for people.
    """

    name: str
    reason: str


def choose_model(environ: Mapping[str, str] | None = None) -> Choice:
    """The model that follows from the environment; the demo's command and its worker read the same.

    Args:
        environ: The environment; this process's by default.
    """
    read = os.environ if environ is None else environ
    if named := read.get(VARIABLE, "").strip():
        return Choice(named, f"as {VARIABLE} says")
    for variable, model in BY_KEY.items():
        if read.get(variable, "").strip():
            return Choice(model, f"because {variable} is set")
    return Choice(FAKE, f"which asks no provider; set {' or '.join(BY_KEY)} to ask a real one")
