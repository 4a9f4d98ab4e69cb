"""`References`: the code that graph files name."""

from __future__ import annotations

import builtins
import functools
import importlib
from collections.abc import Callable, Mapping
from typing import Any

from ..compiled import CompiledGraph
from .place import Place


class References:
    """Finds what references name.

    Args:
        named: What they may name besides ``module:attribute``.
    """

    def __init__(self, named: Mapping[str, Any]) -> None:
        self._named = named

    def find(self, reference: str, place: Place) -> Any:
        """What a reference names."""
        if reference in self._named:
            return self._named[reference]
        module, colon, attribute = reference.partition(":")
        if not (module and colon and attribute):
            raise place.error(
                f"{reference!r} is not known. Write module:attribute, or pass load_graph(..., "
                f"functions={{{reference!r}: ...}})."
            )
        try:
            return functools.reduce(getattr, attribute.split("."), importlib.import_module(module))
        except Exception as error:  # whatever the module does when it is imported
            raise place.error(
                f"{reference!r} cannot be imported: {type(error).__name__}: {error}. Mend the reference, or "
                "put the module where Python finds it (PYTHONPATH)."
            ) from error

    def function(self, reference: str, place: Place) -> Callable[..., Any]:
        """The function that a reference names."""
        found = self.find(reference, place)
        if isinstance(found, CompiledGraph) or not callable(found):
            raise place.error(f"{reference!r} is a {type(found).__name__}, not a function.")
        return found  # type: ignore[no-any-return]

    def exception(self, name: str, place: Place) -> type[BaseException]:
        """The exception class that a reference, or a built-in name, stands for."""
        found = getattr(builtins, name, None) or self.find(name, place)
        if not (isinstance(found, type) and issubclass(found, BaseException)):
            raise place.error(f"{name!r} is not an exception class.")
        return found
