"""The HTTP facade: the Oris ``/v1`` API in front of an `OrisClient`.

`create_app` is the whole surface: ``uvicorn --factory oris_temporal.api:create_app``.
"""

from .app import create_app

__all__ = ["create_app"]
