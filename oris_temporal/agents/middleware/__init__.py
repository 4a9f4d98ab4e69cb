"""Middleware of agents."""

from .base import Middleware, ModelCall, ToolRequest, activity_hook
from .budget import BudgetMiddleware
from .content_filter import ContentFilterMiddleware
from .dynamic import (
    DynamicModelMiddleware,
    DynamicPromptMiddleware,
    DynamicResponseFormatMiddleware,
    DynamicToolsMiddleware,
)
from .files import FilesMiddleware
from .human_in_the_loop import HumanInTheLoopMiddleware, InterruptConfig
from .injection import MessageInjectionMiddleware
from .logs import LoggingMiddleware
from .memory import MemoryMiddleware
from .pii import PIIMiddleware
from .rate_limit import RateLimitMiddleware
from .retry import RetryMiddleware
from .safety import SafetyGuardrailMiddleware
from .skills import SkillsMiddleware
from .summarization import SummarizationMiddleware
from .todo_list import TodoListMiddleware
from .tool_result_eviction import ToolResultEvictionMiddleware

__all__ = [
    "BudgetMiddleware",
    "ContentFilterMiddleware",
    "DynamicModelMiddleware",
    "DynamicPromptMiddleware",
    "DynamicResponseFormatMiddleware",
    "DynamicToolsMiddleware",
    "FilesMiddleware",
    "HumanInTheLoopMiddleware",
    "InterruptConfig",
    "LoggingMiddleware",
    "MemoryMiddleware",
    "MessageInjectionMiddleware",
    "Middleware",
    "ModelCall",
    "PIIMiddleware",
    "RateLimitMiddleware",
    "RetryMiddleware",
    "SafetyGuardrailMiddleware",
    "SkillsMiddleware",
    "SummarizationMiddleware",
    "TodoListMiddleware",
    "ToolRequest",
    "ToolResultEvictionMiddleware",
    "activity_hook",
]
