"""Nodes and graphs that reason: built from graphs, models and tools, nothing else."""

from .create_agent import create_agent
from .deep_agent import SubAgent, create_deep_agent
from .handoffs import HandoffMiddleware, create_handoffs
from .llm_node import llm_node
from .middleware import (
    BudgetMiddleware,
    ContentFilterMiddleware,
    DynamicModelMiddleware,
    DynamicPromptMiddleware,
    DynamicResponseFormatMiddleware,
    DynamicToolsMiddleware,
    FilesMiddleware,
    HumanInTheLoopMiddleware,
    InterruptConfig,
    LoggingMiddleware,
    MemoryMiddleware,
    MessageInjectionMiddleware,
    Middleware,
    ModelCall,
    PIIMiddleware,
    RateLimitMiddleware,
    RetryMiddleware,
    SafetyGuardrailMiddleware,
    SkillsMiddleware,
    SummarizationMiddleware,
    TodoListMiddleware,
    ToolRequest,
    ToolResultEvictionMiddleware,
    activity_hook,
)
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
