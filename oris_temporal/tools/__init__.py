"""Tools: functions that models may call."""

from .output import ToolOutput
from .runtime import Runtime
from .tool import Tool, tool

__all__ = ["Runtime", "Tool", "ToolOutput", "tool"]
