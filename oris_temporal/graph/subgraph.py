"""A compiled graph as a node of another graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .errors import InvalidUpdateError, error_line
from .messages import add_messages, added_messages, append_messages
from .options import NodeOptions
from .records import Outcome
from .state import StateSchema, StateValues
from .wire import to_wire

if TYPE_CHECKING:
    from .compiled import CompiledGraph


@dataclass(frozen=True)
class Subgraph:
    """A subgraph node.

    The parent merges the child's *writes*, never its state, so fields that append do not double.

    Attributes:
        name: Node name in the parent.
        full_name: ``parent.node``.
        graph: The child graph.
        schema: The parent's state schema.
        run_as: ``inline`` runs in the parent's workflow; ``child_workflow`` in one of its own.
        input: Maps the parent's state to the child's input; ``None`` passes the fields both have.
        output: Maps the child's final state to the parent's update; ``None`` passes the child's writes to fields both have.
        options: Task queue of a child workflow.
    """

    name: str
    full_name: str
    graph: CompiledGraph
    schema: StateSchema
    run_as: Literal["inline", "child_workflow"]
    input: Callable[[Any], Any] | None
    output: Callable[[Any], Any] | None
    options: NodeOptions

    @property
    def shared(self) -> list[str]:
        """Fields that parent and child both have."""
        return [name for name in self.graph.schema.fields if name in self.schema.fields]

    def input_wire(self, values: StateValues) -> dict[str, Any]:
        """The child's input, in JSON form."""
        if self.input is None:
            return values.wire(self.shared)
        return self._mapped(self.input, self.schema.view(values.data), self.graph.schema, "input")

    def input_from_payload(self, payload: Any) -> dict[str, Any]:
        """The child's input from the payload of a `Send`.

        Raises:
            InvalidUpdateError: The payload is no object of the child's fields.
        """
        if not isinstance(payload, Mapping):
            raise InvalidUpdateError(
                f"{self.full_name}: a Send to a subgraph carries an object with the child's state fields."
            )
        return self.graph.schema.update_wire(payload, f"Send to {self.full_name}")

    def outcome(self, values: StateValues, updates: list[tuple[str, dict[str, Any]]]) -> Outcome:
        """What the finished child means for the parent.

        Args:
            values: The child's final values.
            updates: The child's writes, in order.
        """
        if self.output is not None:
            return Outcome([self._mapped(self.output, self.graph.schema.view(values.data), self.schema, "output")])
        return self.merged(updates, values)

    def merged(self, updates: list[tuple[str, dict[str, Any]]], values: StateValues) -> Outcome:
        """The child's writes to shared fields: one by one where the parent has a reducer, else the final value.

        Of a conversation that only grows in the parent it is what the child added, whatever else it made of its own.
        """
        outcome = Outcome()
        final: dict[str, Any] = {}
        grown = {name: added_messages([update[name] for _, update in updates if name in update]) for name in self._grow}
        if any(grown.values()):
            outcome.updates.append({name: messages for name, messages in grown.items() if messages})
        for _, update in updates:
            reduced = {}
            for name in self.shared:
                if name not in update or name in grown:
                    continue
                if self.schema.fields[name].reducer is not None:
                    reduced[name] = update[name]
                else:
                    final[name] = values.encoded(name).wire
            if reduced:
                outcome.updates.append(reduced)
        if final:
            outcome.updates.append(final)
        return outcome

    @property
    def _grow(self) -> list[str]:
        """Shared conversations that only grow in the parent, while the child may rewrite them."""
        parent, child = self.schema.fields, self.graph.schema.fields
        return [
            name
            for name in self.shared
            if parent[name].reducer is append_messages and child[name].reducer is add_messages
        ]

    def _mapped(self, mapper: Callable[[Any], Any], state: Any, target: StateSchema, what: str) -> dict[str, Any]:
        where = f"{self.full_name}: {what} mapping {getattr(mapper, '__name__', what)}()"
        try:
            mapped = mapper(state)
        except Exception as error:
            raise InvalidUpdateError(f"{where} raised {error_line(error)}") from error
        wire: dict[str, Any] = to_wire(target.update_wire(mapped, where), where)
        return wire
