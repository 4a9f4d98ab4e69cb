"""API keys that are kept: who may call the facade, and as what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from sqlalchemy import Row, bindparam, exists, select, update

from oris_temporal.graph.errors import ConflictError, InvalidOptionError, PersistenceError

from .database import Database
from .inserts import insert_if_new
from .tables import api_keys
from .times import from_millis, now_millis

KeyStatus: TypeAlias = Literal["active", "disabled"]

_ANY = select(exists(select(api_keys.c.key_id)))
_FIND = select(api_keys).where(api_keys.c.key_id == bindparam("key_id"))
_KEY_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class KeyNotFoundError(PersistenceError):
    """No API key has this id."""


class KeyExistsError(ConflictError):
    """There is an API key with this id already."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that is kept.

    Attributes:
        key_id: Its id, ``x-api-key-id``.
        secret_hash: Salted hash of its secret; the secret itself is not kept.
        role: ``admin``, ``operator`` or ``worker``.
        tenant: Tenant whose jobs it is for; ``None`` is all.
        status: ``active`` or ``disabled``.
        created_at: When it was made (UTC).
        updated_at: When it was last changed (UTC).
    """

    key_id: str
    secret_hash: str
    role: str
    tenant: str | None
    status: KeyStatus
    created_at: datetime
    updated_at: datetime


class ApiKeys:
    """The keys of one control store.

    Every method raises `StoreUnavailableError` when the database cannot be reached.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def any(self) -> bool:
        """Whether there is a key, active or not: then callers must have one."""
        return bool(await self._database.read(lambda connection: connection.scalar(_ANY)))

    async def find(self, key_id: str) -> ApiKey | None:
        """The key with an id."""
        row = await self._database.read(lambda connection: connection.execute(_FIND, {"key_id": key_id}).first())
        return None if row is None else _key(row)

    async def list(self) -> Sequence[ApiKey]:
        """All keys, by id."""
        query = select(api_keys).order_by(api_keys.c.key_id)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [_key(row) for row in rows]

    async def create(self, key_id: str, secret_hash: str, role: str, tenant: str | None = None) -> ApiKey:
        """Add an active key.

        Raises:
            KeyExistsError: The id is taken.
            InvalidOptionError: The id cannot stand in a header.
        """
        if not _KEY_ID.fullmatch(key_id):
            raise InvalidOptionError(
                "The id of an API key has 1 to 128 of ASCII letters, digits, '-', '_', '.' and ':'."
            )
        now = now_millis()
        values = {"key_id": key_id, "secret_hash": secret_hash, "role": role, "tenant": tenant, "status": "active"}
        row = {**values, "created_at": now, "updated_at": now}
        if not await self._database.write(lambda connection: insert_if_new(connection, api_keys, row)):
            raise KeyExistsError(
                f"There is an API key '{key_id}' already. Give it a new secret with: oris-temporal keys rotate {key_id}"
            )
        return ApiKey(key_id, secret_hash, role, tenant, "active", from_millis(now), from_millis(now))

    async def set_secret(self, key_id: str, secret_hash: str) -> ApiKey:
        """Give a key another secret, from this moment on.

        Raises:
            KeyNotFoundError: No key has the id.
        """
        return await self._change(key_id, secret_hash=secret_hash)

    async def set_status(self, key_id: str, status: KeyStatus) -> ApiKey:
        """Let a key in or keep it out, from this moment on.

        Raises:
            KeyNotFoundError: No key has the id.
        """
        return await self._change(key_id, status=status)

    async def put(self, key_id: str, secret_hash: str, role: str) -> None:
        """Add an active key, or make an existing one active with this secret and role."""
        try:
            await self.create(key_id, secret_hash, role)
        except KeyExistsError:
            await self._change(key_id, secret_hash=secret_hash, role=role, status="active")

    async def _change(self, key_id: str, **values: Any) -> ApiKey:
        change = (
            update(api_keys)
            .where(api_keys.c.key_id == key_id)
            .values(**values, updated_at=now_millis())
            .returning(api_keys)
        )
        row = await self._database.write(lambda connection: connection.execute(change).first())
        if row is None:
            raise KeyNotFoundError(f"No API key has the id '{key_id}'. See: oris-temporal keys list")
        return _key(row)


def _key(row: Row[Any]) -> ApiKey:
    values = dict(row._mapping)
    return ApiKey(
        **{**values, "created_at": from_millis(values["created_at"]), "updated_at": from_millis(values["updated_at"])}
    )
