"""Middleware of agents."""

from .base import Middleware, ModelCall, ToolRequest, activity_hook
from .human_in_the_loop import HumanInTheLoopMiddleware, InterruptConfig

__all__ = ["HumanInTheLoopMiddleware", "InterruptConfig", "Middleware", "ModelCall", "ToolRequest", "activity_hook"]
