"""Small JSON values that fit a schema, for fake models."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


def example(schema: Mapping[str, Any], text: str, root: Mapping[str, Any] | None = None) -> Any:
    """A small value that fits a JSON schema; patterns and formats of strings are not looked at.

    Args:
        schema: The schema.
        text: What strings say, as far as they may.
        root: Schema that references point into. Default: the same.
    """
    root = schema if root is None else root
    if "$ref" in schema:
        return example(_referred(root, schema["$ref"]), text, root)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if "enum" in schema:
        return schema["enum"][0]
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return example(next((option for option in options if option.get("type") == "null"), options[0]), text, root)
    if parts := schema.get("allOf"):
        return example({key: value for part in parts for key, value in part.items()}, text, root)
    return _of_type(_type(schema), schema, text, root)


def _of_type(name: str, schema: Mapping[str, Any], text: str, root: Mapping[str, Any]) -> Any:
    match name:
        case "object":
            fields: Mapping[str, Any] = schema.get("properties") or {}
            return {field: example(fields.get(field) or {}, text, root) for field in schema.get("required") or ()}
        case "array":
            return [example(item, text, root) for item in _items(schema)]
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return False
        case "null":
            return None
        case _:
            return text[: schema.get("maxLength")].ljust(schema.get("minLength", 0), ".")


def _type(schema: Mapping[str, Any]) -> str:
    name = schema.get("type") or ("object" if "properties" in schema else "string")
    if isinstance(name, str):
        return name
    return "null" if "null" in name else str(name[0])


def _items(schema: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Schemas of as many elements as there must be."""
    count, first = schema.get("minItems", 0), schema.get("prefixItems") or []
    return [*first, *[schema.get("items") or {}] * count][:count]


def _number(schema: Mapping[str, Any]) -> float:
    """Zero, or what is allowed and next to it."""
    over, under = schema.get("exclusiveMinimum", -math.inf), schema.get("exclusiveMaximum", math.inf)
    low, high = max(schema.get("minimum", -math.inf), over + 1), min(schema.get("maximum", math.inf), under - 1)
    number: float = min(max(0, low), high) if low <= high else (over + under) / 2
    return number


def _referred(root: Mapping[str, Any], reference: str) -> Mapping[str, Any]:
    found: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        found = found[step] if step else found
    return {} if not isinstance(found, Mapping) else found
