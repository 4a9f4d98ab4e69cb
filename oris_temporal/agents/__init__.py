"""Nodes and graphs that reason: built from graphs, models and tools, nothing else."""

from .llm_node import llm_node
from .tool_node import ToolNode

__all__ = ["ToolNode", "llm_node"]
