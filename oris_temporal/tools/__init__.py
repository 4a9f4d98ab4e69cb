"""Tools: functions that models may call."""

from .files import CompositeBackend, FileBackend, FilesState, StateBackend, StoreBackend, WorkspaceBackend
from .mcp import McpServer
from .output import ToolOutput
from .results import ToolResultEviction
from .runtime import Runtime
from .tool import Tool, tool

__all__ = [
    "CompositeBackend",
    "FileBackend",
    "FilesState",
    "McpServer",
    "Runtime",
    "StateBackend",
    "StoreBackend",
    "Tool",
    "ToolOutput",
    "ToolResultEviction",
    "WorkspaceBackend",
    "tool",
]
