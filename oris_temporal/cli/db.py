"""``db``: the tables of the control store."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from .call import Call
from .exit_codes import Exit
from .parser import Commands, add_command, add_group
from .stack import require_facade

_WHERE = (
    "The control store is where the facade's environment says: ORIS_SQLITE_DB, or ORIS_POSTGRES_DSN. The facade brings a "
    "SQLite file up to date by itself; PostgreSQL it only checks."
)


def add_commands(commands: Commands) -> None:
    """Add the commands of this module."""
    group = add_group(commands, "db", "bring the tables of the REST facade's control store up to date", _WHERE)
    add_command(group, "upgrade", upgrade, "make the tables, or bring them up to date", _WHERE)


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What ``db upgrade`` did.

    Attributes:
        place: The database, without secrets.
        before: Version of the tables before; ``None`` where there were none.
        after: Their version now.
    """

    place: str
    before: str | None
    after: str


def upgrade(call: Call) -> int:
    """``db upgrade``."""
    require_facade()
    done = asyncio.run(_upgrade())
    what = f"version {done.after}" if done.before is None else f"version {done.before} to {done.after}"
    text = f"{done.place} is up to date (version {done.after})."
    call.out.answer(done, text if done.before == done.after else f"{done.place}: {what}.")
    return Exit.OK


async def _upgrade() -> Upgraded:
    from oris_temporal.api.control_store import Database, StoreSettings, upgrade

    database = Database(StoreSettings.from_env())
    try:
        before, after = await upgrade(database)
    finally:
        await database.close()
    return Upgraded(database.place, before, after)
