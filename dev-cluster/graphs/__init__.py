"""The graphs that this cluster serves. Put your own modules here and name them in ORIS_GRAPHS of .env."""
