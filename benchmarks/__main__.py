"""``python -m benchmarks``: measure, print a table, write JSON."""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from oris_temporal.devserver import DevServer

from .implementation import IMPLEMENTATIONS, Implementation, load
from .report import as_json, as_text, machine, save
from .runner import Bench
from .work import ROWS

DEFAULT = ["ours", "handwritten", "handwritten-uws", "handwritten-inbox", "langgraph", "langgraph-inline"]
RESULTS = Path(__file__).resolve().parent / "results"
LIMITER = "history.transferProcessorMaxPollRPS"


def main() -> int:
    """Run the benchmark by the command line; exit code 1 if a target is missed and ``--strict`` is given."""
    asked = _arguments()
    implementations = _load(asked.implementations)
    settings: dict[str, Any] = {
        LIMITER: "20 (the dev server's default)" if asked.untuned else 2000,
        "repeat": asked.repeat,
    }
    facts = machine()
    found = asyncio.run(_measure(asked, implementations))
    report = as_json(found, settings, facts)
    save(asked.json, report)
    print(as_text(found, implementations, settings, facts))
    print(f"\nWritten to {asked.json}")
    return int(asked.strict and not all(check["passed"] for check in report["checks"]))


async def _measure(asked: argparse.Namespace, implementations: dict[str, Implementation]) -> Any:
    async with DevServer(ui=False, tuned=not asked.untuned) as server:
        bench = Bench(
            server,
            implementations,
            repeat=asked.repeat,
            batch=asked.batch,
            say=lambda text: print(text, file=sys.stderr),
        )
        return await bench.measure([ROWS[name] for name in asked.rows])


def _load(names: list[str]) -> dict[str, Implementation]:
    loaded: dict[str, Implementation] = {}
    for name in names:
        try:
            loaded[name] = load(name)
        except ModuleNotFoundError as error:
            print(f"Without {name}: {error}. Install the extra: pip install '.[bench]'", file=sys.stderr)
    return loaded


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", type=_names(ROWS), default=list(ROWS), help=f"of {', '.join(ROWS)}")
    parser.add_argument(
        "--implementations", type=_names(IMPLEMENTATIONS), default=DEFAULT, help=f"of {', '.join(IMPLEMENTATIONS)}"
    )
    parser.add_argument("--repeat", type=int, default=40, help="runs to time one at a time; a tenth as many batches")
    parser.add_argument("--batch", type=int, help="runs of a batch, in place of each row's own number")
    parser.add_argument("--json", type=Path, help="file to write; default: benchmarks/results/<time>.json")
    parser.add_argument(
        "--untuned", action="store_true", help="leave the dev server's limit on task dispatches in force"
    )
    parser.add_argument("--strict", action="store_true", help="exit code 1 if a target is missed")
    asked = parser.parse_args()
    asked.json = asked.json or RESULTS / f"{datetime.now().astimezone():%Y%m%d-%H%M%S}.json"
    return asked


def _names(known: Any) -> Any:
    def names(text: str) -> list[str]:
        found = text.split(",")
        for name in found:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return found

    return names


if __name__ == "__main__":
    sys.exit(main())
