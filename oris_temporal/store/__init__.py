"""Stores: memory that threads share."""

from .base import Store, StoreItem
from .memory import InMemoryStore
from .postgres import PostgresStore
from .sqlite import SQLiteStore

__all__ = ["InMemoryStore", "PostgresStore", "SQLiteStore", "Store", "StoreItem"]
