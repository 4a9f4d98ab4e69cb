"""Tools: functions that models may call."""

from .mcp import McpServer
from .output import ToolOutput
from .runtime import Runtime
from .tool import Tool, tool

__all__ = ["McpServer", "Runtime", "Tool", "ToolOutput", "tool"]
