"""What the endpoints do, free of HTTP: checks in the API's order, client calls, answers as wire models."""

from .bundle import Services

__all__ = ["Services"]
