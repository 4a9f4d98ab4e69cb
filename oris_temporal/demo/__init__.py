"""The graph that ``oris-temporal demo`` runs; `report` is the place to start reading."""

from .report import Report, report

__all__ = ["Report", "report"]
