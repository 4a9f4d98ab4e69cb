"""Schemas of types go to OpenAI in the dialect that it holds models to; it refuses all others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter

from oris_temporal.activities.providers.strict_schema import held_to


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(9, ge=1, le=9)


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str] = []


class Person(BaseModel):
    """Somebody."""

    name: str = Field(description="In full.", max_length=50)
    born: date | None = None
    likes: Colour = Field(Colour.RED, description="Best colour.")
    owes: Decimal = Decimal(0)
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    friends: list[Person] = []


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """All schemas in a schema."""
    yield schema
    inner = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values(), *schema.get("anyOf", ())]
    for part in [*inner, *([schema["items"]] if "items" in schema else ())]:
        yield from parts(part)


def test_every_object_is_closed_and_wants_all_its_properties() -> None:
    schema, strict = held_to(Person.model_json_schema(), True)
    assert strict
    objects = [part for part in parts(schema) if part.get("type") == "object"]
    assert len(objects) == 4  # Person at the root and among the definitions
    assert all(part["additionalProperties"] is False for part in objects)
    assert all(part["required"] == list(part["properties"]) for part in objects)


def test_it_has_nothing_that_the_dialect_does_not_know() -> None:
    schema, _ = held_to(Person.model_json_schema(), True)
    names = {name for part in parts(schema) for name in part}
    assert not names & {"default", "title", "oneOf", "discriminator", "maxLength"}
    assert all(list(part) == ["$ref"] for part in parts(schema) if "$ref" in part)
    assert all("(?" not in part.get("pattern", "") for part in parts(schema))


def test_limits_that_it_does_not_know_are_told_in_words() -> None:
    schema, _ = held_to(Person.model_json_schema(), True)
    assert schema["properties"]["name"]["description"] == "In full. (maxLength: 50)"
    lives = schema["$defs"]["Cat"]["properties"]["lives"]
    assert lives == {"type": "integer", "minimum": 1, "maximum": 9}


class Free(BaseModel):
    facts: dict[str, int]


class Anything(BaseModel):
    value: Any


class Pair(BaseModel):
    pair: tuple[int, str]


@pytest.mark.parametrize("kind", [Free, Anything, Pair, list[int], Cat | Dog, dict])
def test_what_it_cannot_say_is_sent_as_it_is_and_held_to_nothing(kind: Any) -> None:
    schema = TypeAdapter(kind).json_schema()
    assert held_to(schema, True) == (schema, False)


def test_who_does_not_ask_for_it_gets_the_schema_as_it_is() -> None:
    schema = Person.model_json_schema()
    assert held_to(schema, False) == (schema, False)
