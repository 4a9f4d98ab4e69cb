"""The command line, ``oris-temporal``: one module per group of commands.

With ``--json`` a command prints one JSON document, whose keys are the fields of these dataclasses and do not change:

- ``run``, ``resume``, ``reject``, ``cancel``, ``replay``, ``fork``: `RunResult` without ``state``, which is the same as
  ``values`` here; ``run --detach``: `RunHandle`
- ``list``: a list of `RunSummary`; ``inspect``: `RunInfo`
- ``interrupts``: a list of `Interrupt`
- ``history``: a list of `StateSnapshot`; ``checkpoint``: one
- ``timeline``: a list of `TimelineEvent`
- ``stream``: one `StreamChunk` a line
- ``graph``: a list of what `graphs.shape_of` says
- ``verify``: a list of `verify.Verdict`
- ``setup``: `setup.SetupReport`; ``worker``: `worker.Serving`; ``dev``: `dev.Links`; ``demo``: `demo.DemoReport`

An error is one line on standard error, ``{"error": {"code": ..., "message": ..., "details": {...}}}``. What exit codes mean
is said once, in `exit_codes.Exit`.
"""

from .app import main

__all__ = ["main"]
