"""The examples run as their first lines say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"

PRINTS = {
    "hello_world.py": """\
human: good morning
ai: Hello! You said: good morning
""",
    "durable_agent_job.py": """\
interrupted: Publish this? (int-bridge-0)
completed:
  human: Should the bridge be closed?
  ai: Three sources on: Should the bridge be closed?
  ai: The person said: yes
trace: StepCompleted, InterruptReached, ResumeReceived, StepCompleted
""",
    "deep_agent.py": """\
critic: Storks are one metre tall.
writer: It is in stork.md.
stork.md: A stork is a bird of one metre.
todos: draft done, check done
remembered: The encyclopedia errs about sizes.
""",
    "supervisor.py": """\
approve? book {'place': 'Zum Anker', 'name': 'Ada'}
scout: Zum Anker is open until ten.
meteorologist: It rains.
booker: Booked.
desk: A table inside at Zum Anker is booked for Ada; it is going to rain.
""",
    "shared_memory.py": """\
Who is Ada?
Ada likes chess
Ada likes chess
all that is known: [{'what': 'chess'}]
""",
}


def test_all_are_run_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(PRINTS)


@pytest.mark.parametrize("name", PRINTS)
def test_prints(name: str) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, PRINTS[name]), done.stderr
