"""Pure ASGI middleware, one concern a file. `oris_temporal.api.app` puts them in order."""
