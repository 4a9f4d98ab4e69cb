"""How requests are read and routed: strict bodies, query strings, raw paths, answers of the framework."""
