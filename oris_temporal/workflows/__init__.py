"""The Temporal workflows that host a graph: deterministic code only, no provider SDK and no web framework."""
