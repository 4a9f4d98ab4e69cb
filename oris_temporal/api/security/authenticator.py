"""Finding out who a caller is from the headers of its request."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from hmac import compare_digest

from ..control_store.keys import ApiKey, ApiKeys
from .caller import Caller, role_of
from .secrets import digest, hash_secret, is_secret_of, new_secret, same
from .settings import SecuritySettings

_KNOWN_SECONDS = 300.0
_KNOWN_SECRETS = 1_000


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request shows of its caller.

    Attributes:
        bearer: Token of ``Authorization: Bearer``.
        api_key: ``x-api-key``.
        api_key_id: ``x-api-key-id``.
    """

    bearer: str | None = None
    api_key: str | None = None
    api_key_id: str | None = None

    @classmethod
    def of(cls, headers: Iterable[tuple[bytes, bytes]]) -> Credentials:
        """Read them from raw headers; empty counts as absent."""
        found = {name: value.decode("latin-1") for name, value in reversed(list(headers))}  # the first of each counts
        scheme, space, token = found.get(b"authorization", "").partition(" ")
        bearer = token.strip() if scheme == "Bearer" and space else ""
        return cls(bearer or None, _trimmed(found.get(b"x-api-key")), _trimmed(found.get(b"x-api-key-id")))


class Authenticator:
    """Decides who a caller is.

    Args:
        settings: Static credentials.
        keys: Keys that are kept.
    """

    def __init__(self, settings: SecuritySettings, keys: ApiKeys) -> None:
        self._settings = settings
        self._keys = keys
        self._nobodys = hash_secret(new_secret())
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._hashing = asyncio.Semaphore(2)

    async def prepare(self) -> None:
        """Keep the key that the environment gives with an id.

        Raises:
            StoreUnavailableError: The control store cannot be reached.
        """
        settings = self._settings
        if settings.api_key is None or settings.api_key_id is None:
            return
        kept = await self._keys.find(settings.api_key_id)
        as_it_is = kept is not None and kept.status == "active" and is_secret_of(settings.api_key, kept.secret_hash)
        if not as_it_is:
            secret_hash = await asyncio.to_thread(hash_secret, settings.api_key)
            await self._keys.put(settings.api_key_id, secret_hash, "operator")

    async def identify(self, credentials: Credentials) -> Caller | None:
        """Who a caller is; ``None`` if its credentials, or their lack, are not accepted.

        Raises:
            StoreUnavailableError: It depends on the control store, which cannot be reached.
        """
        if (caller := self._static(credentials)) is not None:
            return caller
        if credentials.api_key is not None and credentials.api_key_id is not None:
            kept = await self._keys.find(credentials.api_key_id)
            known = await self._has_secret(kept, credentials.api_key)
            if kept is not None and known and kept.status == "active":
                return Caller("api_key", kept.key_id, role_of(kept.role, "operator"), kept.tenant)
        return None if await self.schemes() else Caller()

    async def schemes(self) -> list[str]:
        """What a caller may show, as a refusal lists it; nothing if everybody may call.

        Raises:
            StoreUnavailableError: It depends on the control store, which cannot be reached.
        """
        settings = self._settings
        listed = {
            "bearer": settings.bearer_token is not None,
            "x-api-key": self._plain_key is not None,
            "x-api-key-id+x-api-key": bool(settings.static_keys),
            "sqlite:x-api-key-id+x-api-key": await self._keys.any(),
        }
        return [scheme for scheme, applies in listed.items() if applies]

    @property
    def _plain_key(self) -> str | None:
        return self._settings.api_key if self._settings.api_key_id is None else None

    def _static(self, shown: Credentials) -> Caller | None:
        settings = self._settings
        if settings.bearer_token is not None and shown.bearer is not None and same(shown.bearer, settings.bearer_token):
            return Caller("bearer", None, settings.bearer_role)
        if self._plain_key is not None and shown.api_key is not None and same(shown.api_key, self._plain_key):
            return Caller("api_key", None, settings.api_key_role)
        key = settings.static_keys.get(shown.api_key_id or "")
        if key is not None and shown.api_key is not None and same(shown.api_key, key.secret) and key.active:
            return Caller("api_key", shown.api_key_id, key.role, key.tenant)
        return None

    async def _has_secret(self, kept: ApiKey | None, secret: str) -> bool:
        """Compare with the slow hash, and remember for a while which secret it was.

        An id that is not known takes as long as one that is.
        """
        now, key_id = time.monotonic(), "" if kept is None else kept.key_id
        stored = self._nobodys if kept is None else kept.secret_hash
        seen = self._known.get(key_id)
        if (
            seen is not None
            and seen.stored == stored
            and now < seen.until
            and compare_digest(seen.secret, digest(secret))
        ):
            return True
        async with self._hashing:
            if not await asyncio.to_thread(is_secret_of, secret, stored):
                return False
        self._known[key_id] = _Known(digest(secret), stored, now + _KNOWN_SECONDS)
        self._known.move_to_end(key_id)
        if len(self._known) > _KNOWN_SECRETS:
            self._known.popitem(last=False)
        return True


@dataclass(frozen=True, slots=True)
class _Known:
    """A secret that was compared: in a short form, with the hash it fits, and until when that is remembered."""

    secret: bytes
    stored: str
    until: float


def _trimmed(text: str | None) -> str | None:
    return (text or "").strip() or None
