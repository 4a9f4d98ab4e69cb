"""JSON schemas in the dialect that OpenAI holds answers and arguments to.

Others it refuses: all objects must be closed, all their properties required, and of what limits a value it knows only some. What it does
not know is told to the model in the description; the answer is checked against the whole type where it arrives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_KEPT = frozenset(
    (
        *("type", "enum", "const", "description", "pattern"),
        *("multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems"),
    )
)
_TOLD = frozenset(
    (
        *(
            "minLength",
            "maxLength",
            "minProperties",
            "maxProperties",
            "uniqueItems",
            "contentEncoding",
            "contentMediaType",
        ),
        *("contains", "minContains", "maxContains"),
    )
)
_LEFT_OUT = frozenset(
    ("title", "default", "examples", "discriminator", "deprecated", "readOnly", "writeOnly", "$schema", "$comment")
)
_FORMATS = frozenset(("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"))
_LOOKAROUND = ("(?=", "(?!", "(?<")


class _NoSuchFormError(Exception):
    """A schema says what the dialect cannot."""


def held_to(schema: dict[str, Any], strict: bool) -> tuple[dict[str, Any], bool]:
    """A schema as a request has it, and whether the provider is to hold the model to it.

    Args:
        schema: The schema.
        strict: Whether it should.

    Returns:
        The schema in the dialect, or the schema as it is and ``False``.
    """
    if not strict:
        return schema, False
    try:
        closed = _closed(_with_root(schema))
        if closed.get("type") != "object":  # as the root must be
            return schema, False
        defs = {name: _closed(item) for name, item in schema.get("$defs", {}).items()}
    except (_NoSuchFormError, AttributeError, LookupError, TypeError):
        return schema, False
    return ({**closed, "$defs": defs} if defs else closed), True


def _with_root(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema with an object at its root, where that is a reference, as in types that contain themselves."""
    if "$ref" not in schema:
        return {name: part for name, part in schema.items() if name != "$defs"}
    return dict(schema["$defs"][schema["$ref"].removeprefix("#/$defs/")])


def _closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    closed: dict[str, Any] = {}
    told: list[str] = []
    for name, value in schema.items():
        match name:
            case "properties":
                closed["properties"] = {key: _closed(part) for key, part in value.items()}
            case "items":
                closed["items"] = _closed(value)
            case "anyOf" | "oneOf":
                closed["anyOf"] = [_closed(part) for part in value]
            case "$ref":
                closed["$ref"] = value
            case "additionalProperties" if value is False:
                pass
            case "required":
                pass
            case "format" if value in _FORMATS:
                closed["format"] = value
            case "pattern" if any(mark in value for mark in _LOOKAROUND):
                told.append(f"pattern: {value}")
            case _ if name in _KEPT:
                closed[name] = value
            case _ if name in _TOLD or name == "format":
                told.append(f"{name}: {value}")
            case _ if name not in _LEFT_OUT:
                raise _NoSuchFormError
    if not closed.keys() & {"type", "anyOf", "$ref"}:
        raise _NoSuchFormError  # anything at all
    if closed.get("type") == "object":
        if "properties" not in closed:
            raise _NoSuchFormError  # an object of any properties
        closed |= {"required": list(closed["properties"]), "additionalProperties": False}
    if closed.get("type") == "array" and "items" not in closed:
        raise _NoSuchFormError
    if told:
        closed["description"] = f"{closed.get('description', '')} ({', '.join(told)})".strip()
    if "$ref" in closed and len(closed) > 1:  # which may stand only by itself
        closed["anyOf"] = [{"$ref": closed.pop("$ref")}]
    return closed
