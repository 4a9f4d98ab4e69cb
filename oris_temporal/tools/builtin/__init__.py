"""Tools that need no account: files, commands, web pages, databases, thinking."""

from .file_backend import FileBackend, FileChangedError, FileEntry
from .files import file_tools
from .shell import shell_tool
from .sql import sql_tools
from .thinking import sequential_thinking
from .web import web_fetch
from .workspace import WorkspaceBackend

__all__ = [
    "FileBackend",
    "FileChangedError",
    "FileEntry",
    "WorkspaceBackend",
    "file_tools",
    "sequential_thinking",
    "shell_tool",
    "sql_tools",
    "web_fetch",
]
