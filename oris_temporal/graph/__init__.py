"""Declaring and stepping graphs: pure Python, without Temporal."""
