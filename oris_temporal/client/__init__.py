"""`OrisClient`: starting, answering and reading runs on a Temporal cluster."""

from .options import StartOptions
from .oris_client import OrisClient
from .records import RunHandle, RunInfo, RunResult, RunSummary, TimelineEvent, Watch

__all__ = ["OrisClient", "RunHandle", "RunInfo", "RunResult", "RunSummary", "StartOptions", "TimelineEvent", "Watch"]
