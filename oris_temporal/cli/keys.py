"""``keys``: API keys of the facade."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .call import Call, Handler
from .exit_codes import Exit
from .parser import Commands, add_command, add_group
from .stack import require_facade
from .style import table

if TYPE_CHECKING:
    from oris_temporal.api.control_store import ApiKey, ControlStore

_ROLES = ("admin", "operator", "worker")
_WHERE = "The control store is where the facade's environment says: ORIS_SQLITE_DB, or ORIS_POSTGRES_DSN."


def add_commands(commands: Commands) -> None:
    """Add the commands of this module."""
    keys = add_group(commands, "keys", "make, list and disable API keys of the REST facade", _WHERE)
    create = add_command(
        keys, "create", _on_keys(_create), "make a key and print its secret, which is not kept", _WHERE
    )
    create.add_argument("key", metavar="ID", help="id of the key, sent as x-api-key-id")
    create.add_argument("--role", choices=_ROLES, default="operator", help="what it may do (default: operator)")
    create.add_argument("--tenant", metavar="NAME", help="tenant whose jobs it is for (default: all)")
    add_command(keys, "list", _on_keys(_list), "list the keys", _WHERE)
    for name, work, summary in (
        ("disable", _disable, "keep a key out, from now on"),
        ("enable", _enable, "let a key in again"),
        ("rotate", _rotate, "give a key another secret and print it; the old one ends at once"),
    ):
        add_command(keys, name, _on_keys(work), summary, _WHERE).add_argument("key", metavar="ID", help="id of the key")


@dataclass(frozen=True, slots=True)
class KeyShown:
    """A key as it is shown.

    Attributes:
        key_id: Its id.
        role: Its role.
        tenant: Its tenant; ``None`` is all.
        status: ``active`` or ``disabled``.
        secret: Its secret, where it is new.
    """

    key_id: str
    role: str
    tenant: str | None
    status: str
    secret: str | None = field(default=None, repr=False)


_KeysWork = Callable[[Call, "ControlStore"], Awaitable[None]]


def _on_keys(work: _KeysWork) -> Handler:
    """A command that works on the keys of the control store."""

    async def opened(call: Call) -> None:
        from oris_temporal.api.control_store import ControlStore, StoreSettings

        async with ControlStore.opened(StoreSettings.from_env()) as store:
            await work(call, store)

    def handler(call: Call) -> int:
        require_facade()
        asyncio.run(opened(call))
        return Exit.OK

    return handler


async def _create(call: Call, store: ControlStore) -> None:
    from oris_temporal.api.security import hash_secret, new_secret

    args, secret = call.args, new_secret()
    key = await store.keys.create(args.key, hash_secret(secret), args.role, args.tenant)
    _show_secret(call, store, key, secret)


async def _rotate(call: Call, store: ControlStore) -> None:
    from oris_temporal.api.security import hash_secret, new_secret

    secret = new_secret()
    _show_secret(call, store, await store.keys.set_secret(call.args.key, hash_secret(secret)), secret)


async def _list(call: Call, store: ControlStore) -> None:
    found = [_shown(key) for key in await store.keys.list()]
    rows = [[key.key_id, key.role, key.tenant or "all", key.status] for key in found]
    nothing = f"There are no API keys in {store.database.place}."
    call.out.answer(found, table(["KEY", "ROLE", "TENANT", "STATUS"], rows) if rows else nothing)


async def _disable(call: Call, store: ControlStore) -> None:
    await store.keys.set_status(call.args.key, "disabled")
    call.out.answer({"key_id": call.args.key, "status": "disabled"}, f"Key {call.args.key} is disabled.")


async def _enable(call: Call, store: ControlStore) -> None:
    await store.keys.set_status(call.args.key, "active")
    call.out.answer({"key_id": call.args.key, "status": "active"}, f"Key {call.args.key} is active.")


def _show_secret(call: Call, store: ControlStore, key: ApiKey, secret: str) -> None:
    shown = _shown(key, secret)
    call.out.answer(shown, secret)
    call.out.note(
        f"This is the secret of {key.key_id} ({key.role}, in {store.database.place}); it is not shown again. "
        "Send both with each request:"
    )
    call.out.note(f"  x-api-key-id: {key.key_id}\n  x-api-key: {secret}")


def _shown(key: ApiKey, secret: str | None = None) -> KeyShown:
    return KeyShown(key.key_id, key.role, key.tenant, key.status, secret)
