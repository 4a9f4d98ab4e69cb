"""Whole characters: some servers cut their answers between the two halves (surrogates) of one, which no JSON text can carry."""

from __future__ import annotations

from typing import Literal

from oris_temporal.graph.wire import whole

from .providers import Emit
from .request import Piece


class WholePieces:
    """Passes on the pieces of an answer with whole characters: the first half of one waits for the second.

    Args:
        emit: Takes the pieces.
    """

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._waiting: dict[tuple[str, int | None], str] = {}

    def __call__(self, piece: Piece) -> None:
        """Take the next piece."""
        field: Literal["text", "arguments"] = "arguments" if piece["type"] == "tool_call" else "text"
        stream = (piece["type"], piece.get("index"))
        text = self._waiting.pop(stream, "") + piece.get(field, "")
        if text[-1:] and "\ud800" <= text[-1] <= "\udbff":
            self._waiting[stream], text = text[-1], text[:-1]
            if not text and field == "text":
                return
        self._emit(piece if text == piece.get(field, "") and text.isascii() else _with(piece, field, whole(text)))


def _with(piece: Piece, field: Literal["text", "arguments"], text: str) -> Piece:
    changed = piece.copy()
    changed[field] = text
    return changed
