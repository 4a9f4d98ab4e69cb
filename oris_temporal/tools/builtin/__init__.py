"""Tools that need no account: files, commands, web pages, databases, thinking."""

from .file_tools import file_tools
from .shell import shell_tool
from .sql import sql_tools
from .thinking import sequential_thinking
from .web import web_fetch

__all__ = [
    "file_tools",
    "sequential_thinking",
    "shell_tool",
    "sql_tools",
    "web_fetch",
]
