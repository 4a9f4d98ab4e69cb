"""Tools: functions that models may call."""

from .mcp import McpServer
from .output import ToolOutput
from .results import DirectoryResultStore, ResultStore, ToolResultEviction
from .runtime import Runtime
from .tool import Tool, tool

__all__ = [
    "DirectoryResultStore",
    "McpServer",
    "ResultStore",
    "Runtime",
    "Tool",
    "ToolOutput",
    "ToolResultEviction",
    "tool",
]
