"""Secrets of API keys: made, hashed and compared."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode

_COST, _BLOCK, _PARALLEL = 1 << 14, 8, 1  # scrypt, 16 MB and some 50 ms a time
_SALT_BYTES = 16


def new_secret() -> str:
    """A secret of 256 random bits, as text for a header."""
    return secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """Hash a secret with a salt of its own; slow on purpose."""
    salt = secrets.token_bytes(_SALT_BYTES)
    fields = ["scrypt", str(_COST), str(_BLOCK), str(_PARALLEL), _text(salt), _text(_scrypt(secret, salt))]
    return "$".join(fields)


def is_secret_of(secret: str, stored: str) -> bool:
    """Whether a secret is the one that was hashed; slow on purpose."""
    try:
        kind, cost, block, parallel, salt, expected = stored.split("$")
        if kind != "scrypt":
            return False
        found = _scrypt(secret, b64decode(salt), int(cost), int(block), int(parallel))
        return hmac.compare_digest(found, b64decode(expected))
    except ValueError:
        return False


def same(given: str, expected: str) -> bool:
    """Compare secrets in a time that says nothing of where, or by how much, they differ."""
    return hmac.compare_digest(digest(given), digest(expected))


def digest(text: str) -> bytes:
    """A short form of a secret, of no use outside this process."""
    return hashlib.blake2b(text.encode(errors="surrogateescape"), key=_PROCESS_KEY, digest_size=32).digest()


def _scrypt(secret: str, salt: bytes, cost: int = _COST, block: int = _BLOCK, parallel: int = _PARALLEL) -> bytes:
    memory = 2 * 128 * cost * block
    return hashlib.scrypt(
        secret.encode(errors="surrogateescape"), salt=salt, n=cost, r=block, p=parallel, maxmem=memory
    )


def _text(raw: bytes) -> str:
    return b64encode(raw).decode()


_PROCESS_KEY = secrets.token_bytes(32)
