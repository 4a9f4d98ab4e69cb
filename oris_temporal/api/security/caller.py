"""Callers and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, cast, get_args

from ..control_store.audit import ActorType

Role: TypeAlias = Literal["admin", "operator", "worker"]

_ANY = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_RULES: tuple[tuple[str, dict[Role, frozenset[str]]], ...] = (
    ("/v1/jobs", {"operator": _ANY}),
    ("/v1/interrupts", {"operator": _ANY}),
    ("/v1/dlq", {"operator": _ANY}),
    ("/v1/audit", {"operator": frozenset({"GET"})}),
    ("/v1/attempts", {"operator": frozenset({"GET"})}),
    ("/v1/graphs", {"operator": frozenset({"GET", "HEAD"})}),
    ("/v1/workers", {"worker": _ANY - {"GET"}}),
)
"""What a role may do besides an admin, who may do everything, by the beginning of the path."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request comes from.

    Attributes:
        actor_type: How it showed who it is.
        key_id: Id of its key, if that has one.
        role: Its role; ``None`` for an anonymous caller.
        tenant: Tenant whose jobs it may see and touch; ``None`` is all.
    """

    actor_type: ActorType = "anonymous"
    key_id: str | None = None
    role: Role | None = None
    tenant: str | None = None

    @property
    def name(self) -> str | None:
        """What it is called where its request leaves a trace: its key's id, else how it showed who it is."""
        return None if self.role is None else self.key_id or self.actor_type


def may(role: Role, method: str, path: str) -> bool:
    """Whether a role may make a request.

    Args:
        role: The role.
        method: HTTP method.
        path: Raw path, without the query.
    """
    if role == "admin":
        return True
    allowed = next((rights for prefix, rights in _RULES if path.startswith(prefix)), {})
    return method in allowed.get(role, ())


def role_of(word: str | None, default: Role) -> Role:
    """The role that a word names, whatever its case; `default` without one, and ``operator`` for one that is not known."""
    name = (word or "").strip().lower()
    if not name:
        return default
    return cast("Role", name) if name in get_args(Role) else "operator"
