"""Nodes and graphs that reason: built from graphs, models and tools, nothing else."""

from .create_agent import create_agent
from .llm_node import llm_node
from .middleware import (
    HumanInTheLoopMiddleware,
    InterruptConfig,
    Middleware,
    ModelCall,
    ToolRequest,
    activity_hook,
)
from .state import AgentState
from .structured import ProviderStrategy, ToolStrategy
from .tool_node import ToolNode

__all__ = [
    "AgentState",
    "HumanInTheLoopMiddleware",
    "InterruptConfig",
    "Middleware",
    "ModelCall",
    "ProviderStrategy",
    "ToolNode",
    "ToolRequest",
    "ToolStrategy",
    "activity_hook",
    "create_agent",
    "llm_node",
]
