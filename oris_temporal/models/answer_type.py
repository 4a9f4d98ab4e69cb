"""Types that the answers of models are to be of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from oris_temporal.graph.errors import ConfigurationError

from .request import ResponseFormat

ANSWER_RETRIES = 2
"""How often a model may try again whose answer is not of the type."""

_NO_NAME = re.compile(r"[^A-Za-z0-9_-]")


class AnswerError(ValueError):
    """An answer is not of its type. Its text says why, for the model."""


class AnswerType:
    """A type that a model's answer is to be of.

    Args:
        type: Pydantic model, dataclass or TypedDict.

    Attributes:
        name: Its name, as providers take it.
        schema: Its JSON schema.

    Raises:
        ConfigurationError: It has no JSON schema.
    """

    def __init__(self, type: Any) -> None:
        self.name = _NO_NAME.sub("_", str(getattr(type, "__name__", "Answer")))[:64]
        try:
            self._adapter = TypeAdapter(type)
            self.schema = self._adapter.json_schema()
        except Exception as error:  # of Pydantic, or of what the type says about its schema
            raise ConfigurationError(f"response_format: {type!r} has no JSON schema: {error}") from None

    @property
    def format(self) -> ResponseFormat:
        """What the provider is told."""
        return ResponseFormat(self.name, self.schema)

    def read(self, text: str) -> Any:
        """An answer as the type.

        Raises:
            AnswerError: It does not fit.
        """
        try:
            return self._adapter.validate_json(text)
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False)
            raise AnswerError(
                "; ".join(f"{'.'.join(map(str, item['loc'])) or 'answer'}: {item['msg']}" for item in found)
            ) from None


def answer_type(given: Any) -> AnswerType | None:
    """The type that answers are checked against; ``None`` for what is only told to the provider: a `ResponseFormat`, or nothing.

    Raises:
        ConfigurationError: It is neither, or a type without a JSON schema.
    """
    if given is None or isinstance(given, ResponseFormat):
        return None
    if isinstance(given, Mapping):
        raise ConfigurationError("response_format takes a type, or ResponseFormat(name, schema) for a JSON schema.")
    return _answer_type(given)


_answer_type = lru_cache(AnswerType)


def told_again(name: str, problem: object) -> str:
    """What a model is told whose answer is not of the type."""
    return f"Your answer is no {name}: {problem}. Answer again."


def without_fence(text: str) -> str:
    """JSON as it is, of an answer that puts it into a fenced block; so write models that are only told to answer with JSON."""
    whole = text.strip()
    if not (whole.startswith("```") and whole.endswith("```")):
        return text
    language, newline, inside = whole[3:-3].partition("\n")
    return inside.strip() if newline and language.strip().lower() in ("", "json") else text
