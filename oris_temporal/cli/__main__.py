"""``python -m oris_temporal.cli`` is ``oris-temporal``."""

from .app import main

main()
