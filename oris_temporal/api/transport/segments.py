"""Path segments as Oris matches them: on the raw path, empty ones only in the middle, decoded afterwards."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_to_bytes

from starlette.convertors import Convertor, register_url_convertor

from ..errors import invalid


class _Middle(Convertor[str]):
    """A segment with something behind it; may be empty, so that the handler can say what is missing."""

    regex = "[^/]*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class _LastThread(_Middle):
    """The id in ``/v1/jobs/{thread_id}``: ``/v1/jobs/run`` is the run endpoint's, whatever the method."""

    regex = "(?!run$)[^/]+"


# Routes are compiled where they are declared, so the kinds must be known once a router can be: on import.
register_url_convertor("middle", _Middle())
register_url_convertor("last_thread", _LastThread())


def decode_segments(path_params: dict[str, Any]) -> dict[str, str]:
    """Percent-decode path parameters; ``+`` stays ``+``.

    Raises:
        ApiError: 400, a decoded value is not UTF-8.
    """
    decoded = {}
    for name, raw in path_params.items():
        try:
            decoded[name] = unquote_to_bytes(raw.encode("latin-1")).decode("utf-8")
        except UnicodeDecodeError:
            raise invalid(f"Invalid URL: Invalid UTF-8 in `{name}`") from None
    return decoded
