"""Looking at objects without running properties, `__getattr__` or other code of the user."""

from __future__ import annotations

import inspect
from typing import Any


def is_usable(obj: Any) -> bool:
    """Whether `isinstance` can be asked about an object; a lazy proxy may fail."""
    try:
        _ = obj.__class__
    except Exception:
        return False
    return True


def static_attribute(obj: Any, name: str) -> Any | None:
    """An attribute as it is stored, before any descriptor."""
    try:
        return inspect.getattr_static(obj, name)
    except AttributeError:
        return None
