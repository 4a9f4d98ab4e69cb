"""Tools: functions that models may call."""

from .mcp import McpServer
from .output import ToolOutput
from .results import DirectoryResultStore, ResultStore, StoreResultStore, ToolResultEviction
from .runtime import Runtime
from .tool import Tool, tool

__all__ = [
    "DirectoryResultStore",
    "McpServer",
    "ResultStore",
    "Runtime",
    "StoreResultStore",
    "Tool",
    "ToolOutput",
    "ToolResultEviction",
    "tool",
]
