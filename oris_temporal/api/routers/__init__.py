"""Thin routers: a path, a model, one call of a service."""
