"""Nodes and graphs that reason: built from graphs, models and tools, nothing else."""

from .create_agent import create_agent
from .deep_agent import SubAgent, create_deep_agent
from .handoffs import HandoffMiddleware, create_handoffs
from .llm_node import llm_node
from .middleware.base import Middleware, ModelCall, ToolRequest, activity_hook
from .middleware.budget import BudgetMiddleware
from .middleware.content_filter import ContentFilterMiddleware
from .middleware.dynamic import (
    DynamicModelMiddleware,
    DynamicPromptMiddleware,
    DynamicResponseFormatMiddleware,
    DynamicToolsMiddleware,
)
from .middleware.files import FilesMiddleware
from .middleware.human_in_the_loop import HumanInTheLoopMiddleware, InterruptConfig
from .middleware.injection import MessageInjectionMiddleware
from .middleware.logs import LoggingMiddleware
from .middleware.memory import MemoryMiddleware
from .middleware.pii import PIIMiddleware
from .middleware.rate_limit import RateLimitMiddleware
from .middleware.retry import RetryMiddleware
from .middleware.safety import SafetyGuardrailMiddleware
from .middleware.skills import SkillsMiddleware
from .middleware.summarization import SummarizationMiddleware
from .middleware.todo_list import TodoListMiddleware
from .middleware.tool_result_eviction import ToolResultEvictionMiddleware
from .router import create_router
from .state import AgentState
from .structured import ProviderStrategy, ToolStrategy
from .subagents import agent_tool, task_tool
from .supervisor import create_supervisor
from .tool_node import ToolNode

__all__ = [
    "AgentState",
    "BudgetMiddleware",
    "ContentFilterMiddleware",
    "DynamicModelMiddleware",
    "DynamicPromptMiddleware",
    "DynamicResponseFormatMiddleware",
    "DynamicToolsMiddleware",
    "FilesMiddleware",
    "HandoffMiddleware",
    "HumanInTheLoopMiddleware",
    "InterruptConfig",
    "LoggingMiddleware",
    "MemoryMiddleware",
    "MessageInjectionMiddleware",
    "Middleware",
    "ModelCall",
    "PIIMiddleware",
    "ProviderStrategy",
    "RateLimitMiddleware",
    "RetryMiddleware",
    "SafetyGuardrailMiddleware",
    "SkillsMiddleware",
    "SubAgent",
    "SummarizationMiddleware",
    "TodoListMiddleware",
    "ToolNode",
    "ToolRequest",
    "ToolResultEvictionMiddleware",
    "ToolStrategy",
    "activity_hook",
    "agent_tool",
    "create_agent",
    "create_deep_agent",
    "create_handoffs",
    "create_router",
    "create_supervisor",
    "llm_node",
    "task_tool",
]
