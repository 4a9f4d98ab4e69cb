"""`StoreBackend`: files in a store, which threads share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from oris_temporal.graph.duration import Duration
from oris_temporal.graph.errors import ConfigurationError, ToolError
from oris_temporal.store.base import Store

from ..runtime import Runtime
from .backend import MOST_FILES, FileBackend, FileChangedError, FileEntry
from .flat import check_file, is_directory, list_paths, missing, walk_paths

NamespaceOf = Callable[[Runtime], Sequence[str]]


class StoreBackend(FileBackend):
    """Files in a `Store`, so that threads share them. A directory is a namespace, a file an item ``{"text": ...}``.

    Stores do not lock: the calls of one turn that write are made one after the other, but of two threads that write a file the later
    one wins.

    Args:
        namespace: Where in the store; or a function of the call's `Runtime` that says it, so that each user has files of their own:
            ``lambda runtime: ("files", runtime.context["user"])``.
        store: The store. Default: that of the graph, or of one around it.
        ttl: How long a file is kept after it was last written. Default: until it is deleted.
        max_bytes: Largest file that is written.
    """

    in_order = True

    def __init__(
        self,
        namespace: Sequence[str] | NamespaceOf = ("files",),
        *,
        store: Store | None = None,
        ttl: Duration | None = None,
        max_bytes: int = 1_000_000,
    ) -> None:
        self._namespace = namespace
        self._given = store
        self._ttl = ttl
        self._max_bytes = max_bytes
        self._texts: dict[str, str] | None = None
        self.needs_run = store is None or callable(namespace)

    def at(self, runtime: Runtime) -> StoreBackend:
        """See `FileBackend.at`."""
        place = self._namespace(runtime) if callable(self._namespace) else self._namespace
        store = self._given or runtime.store
        if store is None:
            raise ConfigurationError(
                "StoreBackend: neither the graph nor one around it has a store. Compile one of them with store=..., or pass the "
                "backend a store."
            )
        return StoreBackend(tuple(place), store=store, ttl=self._ttl, max_bytes=self._max_bytes)

    async def ls(self, path: str) -> list[FileEntry]:
        """See `FileBackend.ls`."""
        return list_paths({name: len(text.encode()) for name, text in (await self._load(path)).items()}, path)

    async def walk(self, path: str) -> list[str]:
        """See `FileBackend.walk`."""
        self._texts = await self._load(path)  # who walks often reads as well
        return walk_paths(self._texts, path)

    async def read(self, path: str) -> str:
        """See `FileBackend.read`."""
        if self._texts is not None and path in self._texts:
            return self._texts[path]
        text = await self._text(path)
        if text is None:
            raise is_directory(path) if not path or await self._load(path) else missing(path)
        return text

    async def write(self, path: str, text: str, *, expected: str | None = None) -> None:
        """See `FileBackend.write`."""
        if (size := len(text.encode())) > self._max_bytes:
            raise ToolError(
                f"{path} has {size:,} bytes; at most {self._max_bytes:,} are allowed.", kind="invalid_input"
            )
        known = await self._text(path)
        if known is None:
            check_file(await self._load(""), path)
        if expected is not None and known != expected:
            raise FileChangedError(path)
        *where, name = [*self._root, *path.split("/")]
        await self._store.put(where, name, {"text": text}, ttl=self._ttl)
        self._texts = None

    @property
    def _root(self) -> tuple[str, ...]:
        assert not callable(self._namespace), "at() comes first"
        return tuple(self._namespace)

    @property
    def _store(self) -> Store:
        assert self._given is not None, "at() comes first"
        return self._given

    async def _text(self, path: str) -> str | None:
        if not path:
            return None
        *where, name = [*self._root, *path.split("/")]
        item = await self._store.get(where, name)
        return None if item is None else str(item.value["text"])

    async def _load(self, path: str) -> dict[str, str]:
        """Texts of the files in a directory, and of the file of that path."""
        where = [*self._root, *filter(None, path.split("/"))]
        found = await self._store.search(where, limit=MOST_FILES + 1)
        if len(found) > MOST_FILES:
            raise ToolError(
                f"There are more than {MOST_FILES:,} files in {path or 'the root'}. Name a directory in it as the path.",
                kind="invalid_input",
            )
        texts = {"/".join([*item.namespace[len(self._root) :], item.key]): str(item.value["text"]) for item in found}
        if path and not texts and (text := await self._text(path)) is not None:
            texts[path] = text
        return texts
