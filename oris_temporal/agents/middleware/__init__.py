"""Middleware of agents, one kind a module. `oris_temporal.agents` has them all."""
