"""Credentials that the environment gives: the variables of the Oris execution server."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from .caller import Role

VARIABLES = ("ORIS_API_AUTH_BEARER_TOKEN", "ORIS_API_AUTH_API_KEY", "ORIS_API_AUTH_API_KEY_ID")
"""The environment variables that are read here."""


@dataclass(frozen=True, slots=True)
class StaticKey:
    """A key with an id that is not kept in the control store; for programs that make the application themselves.

    Attributes:
        secret: Its secret.
        role: Its role.
        tenant: Tenant whose jobs it is for; ``None`` is all.
        active: Whether it is let in.
    """

    secret: str = field(repr=False)
    role: Role = "operator"
    tenant: str | None = None
    active: bool = True


@dataclass(frozen=True, slots=True)
class SecuritySettings:
    """Static credentials.

    Attributes:
        bearer_token: ``ORIS_API_AUTH_BEARER_TOKEN``: token of ``Authorization: Bearer``.
        api_key: ``ORIS_API_AUTH_API_KEY``: key of ``x-api-key``. With an id it is the secret of that key instead.
        api_key_id: ``ORIS_API_AUTH_API_KEY_ID``: id of a key that is kept in the control store, active, as an operator.
        static_keys: Further keys, by id.
        bearer_role: Role of the bearer token.
        api_key_role: Role of the key without an id.
    """

    bearer_token: str | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)
    api_key_id: str | None = None
    static_keys: Mapping[str, StaticKey] = field(default_factory=dict)
    bearer_role: Role = "admin"
    api_key_role: Role = "admin"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read them from environment variables; blank means not set, and an id without a key means nothing.

        Args:
            environ: The variables; those of this process by default.
        """
        environ = os.environ if environ is None else environ
        token, key, key_id = (environ.get(name, "").strip() or None for name in VARIABLES)
        return cls(token, key, key_id if key else None)
