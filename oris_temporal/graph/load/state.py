"""The state of a graph file."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Annotated, Any, get_origin

from typing_extensions import TypedDict

from ..builder import StateGraph
from ..messages import Message, MessagesState
from ..state import isolate
from .graph_file import StateField
from .place import Place
from .references import References
from .state_types import REDUCERS, TYPES, read_type


def state_graph(state: str | dict[str, str | StateField], references: References, place: Place) -> StateGraph:
    """An empty graph with the state that a graph file declares."""
    if isinstance(state, str):
        cls = MessagesState if state == "messages" else references.find(state, place)
        with place.locating():
            return StateGraph(cls)
    fields = {name: StateField(type=field) if isinstance(field, str) else field for name, field in state.items()}
    hints = {name: _hint(field, references, place.at(name)) for name, field in fields.items()}
    with place.locating():
        graph = StateGraph(TypedDict("State", hints, total=False))  # type: ignore[operator]
    known = graph.schema.fields
    for name, field in fields.items():
        if "default" in field.model_fields_set:  # which a TypedDict cannot tell
            with place.at(name, "default").locating():
                default = known[name].decode(field.default, "default")
            known[name] = replace(known[name], default=functools.partial(isolate, default))
    return graph


def _hint(field: StateField, references: References, place: Place) -> Any:
    hint = read_type(field.type)
    name = field.reducer or ("messages" if hint == list[Message] else "last")
    place = place.at("reducer")
    if name not in REDUCERS:
        return Annotated[hint, references.function(name, place)]
    fitting, make = REDUCERS[name]
    if fitting and hint not in fitting and get_origin(hint) not in fitting:
        words = [word for word, known in TYPES.items() if known in fitting or get_origin(known) in fitting]
        raise place.error(f"reducer {name!r} is for {', '.join(words)}, not for {field.type}.")
    reducer = make(hint)
    return hint if reducer is None else Annotated[hint, reducer]
