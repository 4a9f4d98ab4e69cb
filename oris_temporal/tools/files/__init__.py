"""Where tools keep files of text: in the state of a thread, in a directory of the worker, in a store, or in several of these."""

from .backend import FileBackend, FileChangedError, FileEntry, clean_path, open_files
from .composite import CompositeBackend
from .on_files import on_files
from .state import FILES, FilesState, StateBackend
from .store import StoreBackend
from .workspace import WorkspaceBackend

__all__ = [
    "FILES",
    "CompositeBackend",
    "FileBackend",
    "FileChangedError",
    "FileEntry",
    "FilesState",
    "StateBackend",
    "StoreBackend",
    "WorkspaceBackend",
    "clean_path",
    "on_files",
    "open_files",
]
