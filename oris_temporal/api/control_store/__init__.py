"""The control store: what the facade keeps beside Temporal, because Temporal has no place for it.

API keys and the audit log, in a SQLite file or a PostgreSQL schema. Jobs, interrupts and checkpoints are not in here: they
are Temporal's.
"""

from .audit import AuditEntry, AuditLog, AuditRecord
from .database import Database
from .keys import ApiKey, ApiKeys
from .migrate import upgrade
from .settings import StoreSettings
from .store import ControlStore

__all__ = [
    "ApiKey",
    "ApiKeys",
    "AuditEntry",
    "AuditLog",
    "AuditRecord",
    "ControlStore",
    "Database",
    "StoreSettings",
    "upgrade",
]
