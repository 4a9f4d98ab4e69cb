"""Nodes and graphs that reason: built from graphs, models and tools, nothing else."""

from .llm_node import llm_node

__all__ = ["llm_node"]
