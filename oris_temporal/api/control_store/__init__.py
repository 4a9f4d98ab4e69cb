"""The control store: what the facade keeps beside Temporal, because Temporal has no place for it.

API keys, the audit log, idempotency keys, replays that were carried out, cancelled threads, and the attempts that HTTP workers
work on, in a SQLite file or a PostgreSQL schema. Jobs, interrupts and checkpoints are not in here: they are Temporal's.
"""

from .audit import AuditEntry, AuditLog, AuditRecord
from .cancelled import CancelledThreads
from .database import Database
from .idempotency import IdempotencyKeys, KeyUse
from .keys import ApiKey, ApiKeys
from .migrate import upgrade
from .replays import ReplayClaim, ReplayEffects
from .settings import StoreSettings
from .store import ControlStore

__all__ = [
    "ApiKey",
    "ApiKeys",
    "AuditEntry",
    "AuditLog",
    "AuditRecord",
    "CancelledThreads",
    "ControlStore",
    "Database",
    "IdempotencyKeys",
    "KeyUse",
    "ReplayClaim",
    "ReplayEffects",
    "StoreSettings",
    "upgrade",
]
