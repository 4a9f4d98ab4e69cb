"""Oris graphs as durable Temporal workflows."""

from . import errors
from .agents import create_agent
from .client import OrisClient, RunResult
from .graph.builder import StateGraph
from .graph.compiled import CompiledGraph
from .graph.config import RunnableConfig
from .graph.context import Context
from .graph.control import END, START, Command, Send
from .graph.interrupts import Interrupt, interrupt
from .graph.limits import Limits
from .graph.load import load_graph
from .graph.messages import Message, MessagesState, RemoveMessage, ToolCall, add_messages, append_messages
from .graph.node import StreamWriter
from .graph.options import NO_RETRY, RetryPolicy
from .graph.plugins import NodePluginRegistry, node_plugin
from .graph.results import InvokeResult, StateSnapshot, StreamChunk
from .models import ChatModel, init_chat_model
from .plugin import OrisPlugin
from .store import InMemoryStore, PostgresStore, SQLiteStore, Store, StoreItem
from .tools import Runtime, Tool, tool
from .worker import Worker

__all__ = [
    "END",
    "NO_RETRY",
    "START",
    "ChatModel",
    "Command",
    "CompiledGraph",
    "Context",
    "InMemoryStore",
    "Interrupt",
    "InvokeResult",
    "Limits",
    "Message",
    "MessagesState",
    "NodePluginRegistry",
    "OrisClient",
    "OrisPlugin",
    "PostgresStore",
    "RemoveMessage",
    "RetryPolicy",
    "RunResult",
    "RunnableConfig",
    "Runtime",
    "SQLiteStore",
    "Send",
    "StateGraph",
    "StateSnapshot",
    "Store",
    "StoreItem",
    "StreamChunk",
    "StreamWriter",
    "Tool",
    "ToolCall",
    "Worker",
    "add_messages",
    "append_messages",
    "create_agent",
    "errors",
    "init_chat_model",
    "interrupt",
    "load_graph",
    "node_plugin",
    "tool",
]
