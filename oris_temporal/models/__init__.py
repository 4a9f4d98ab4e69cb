"""Chat models: their names, options and providers, and what is asked of them. Plain data; no provider SDK is imported."""

from .chat_model import ChatModel, ModelOptions, init_chat_model
from .providers import Provider, register_provider
from .request import ModelReply, ModelRequest, Piece, ResponseFormat, ToolSpec
from .usage import Usage

__all__ = [
    "ChatModel",
    "ModelOptions",
    "ModelReply",
    "ModelRequest",
    "Piece",
    "Provider",
    "ResponseFormat",
    "ToolSpec",
    "Usage",
    "init_chat_model",
    "register_provider",
]
