"""Tool calls of workflow-side nodes: a tool is called until it has an output, and may ask people on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .answer_types import check_answer
from .duration import Duration
from .execution import NodeInterrupt, ReplayedAnswers, make_ask
from .interrupts import Ask, asking_through
from .records import Position, Task
from .state import Values, isolate
from .tasks import go_on_unless_cancelled

if TYPE_CHECKING:
    from oris_temporal.tools import Runtime, Tool

    from .engine import Engine
    from .run import Run


class CallingTool:
    """One call of a tool. Its answers are in the task's journal, so it gets them again where the task starts again.

    Args:
        run: The run.
        engine: Engine the task belongs to.
        task: The task that calls.
        position: Position of the call within the task.
        tool: The tool.
        call_id: Id of the model's call.
    """

    def __init__(self, run: Run, engine: Engine, task: Task, position: Position, tool: Tool, call_id: str) -> None:
        self._run = run
        self._engine = engine
        self._task = task
        self._position = position
        self._tool = tool
        self._call_id = call_id
        self._asked = 0
        self._waiting = 0

    async def output(self, args: dict[str, Any], summary: str, values: Values) -> dict[str, Any]:
        """Call the tool; returns its output as JSON data.

        Args:
            args: Its arguments as JSON data.
            summary: Text for the Web UI.
            values: The state that it sees if it runs in the workflow.
        """
        if self._tool.runs_here(args):
            async with self._run.operating(self._task):
                with asking_through(self):
                    return await self._run.call_tool_inline(
                        self._engine, self._task, self._position, self._tool, args, self._call_id, values
                    )
        while True:
            answers = self._answers()
            ask = self._run.carried_ask(self._task, self._place(len(answers)))
            if ask is None:
                async with self._run.operating(self._task):
                    result = await self._run.call_tool(
                        self._engine, self._task, self._position, self._tool, args, self._call_id, answers, summary
                    )
                if "ask" not in result:
                    output: dict[str, Any] = result["output"]
                    return output
                ask = Ask.from_wire(result["ask"])
            await self._ask(len(answers), ask)
            await self._run.before_operation(self._task)

    async def interrupt(
        self,
        value: Any,
        *,
        timeout: Duration | None,
        default: Any,
        escalate_after: Duration | None,
        schema: Any,
    ) -> Any:
        """Ask for a tool that runs in the workflow, which waits in place. See `oris_temporal.interrupt`."""
        number, self._asked = self._asked, self._asked + 1
        ask = make_ask(value, timeout, default, escalate_after, schema)
        known = self._task.journal.get(self._place(number))
        if known is not None:
            answer = isolate(known["value"])
        else:
            go_on_unless_cancelled()
            answer = await self._wait_in_place(number, ask)
        if ask.answer_type is None:
            return answer
        return check_answer(ask.answer_type, answer, f"of tool {self._tool.name}", ask.value)

    async def _wait_in_place(self, number: int, ask: Ask) -> Any:
        """Wait as nobody who works: the run may settle, and continue as new, while its tool waits."""
        self._waiting += 1
        if self._waiting == 1:
            self._run.occupy(self._task.id, works=-1)
        try:
            return await self._ask(number, ask)
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._run.occupy(self._task.id, works=1)

    async def _ask(self, number: int, ask: Ask) -> Any:
        asked = replace(ask, tool=self._tool.name, tool_call_id=self._call_id or None)
        place = self._place(number)
        answer = await self._run.ask(self._engine, self._task, place, asked)
        self._task.journal[place] = {"value": answer}
        return isolate(answer)

    def _answers(self) -> list[Any]:
        """The answers it got so far, in the order of its questions."""
        answers: list[Any] = []
        while (entry := self._task.journal.get(self._place(len(answers)))) is not None:
            answers.append(isolate(entry["value"]))
        return answers

    def _place(self, number: int) -> Position:
        return f"{self._position}?{number}"


async def attempt_tool(
    tool: Tool, args: Mapping[str, Any], runtime: Runtime, answers: Sequence[Any], executor: Executor | None = None
) -> dict[str, Any]:
    """One attempt of a tool that runs as an activity: ``{"output": ...}``, or ``{"ask": ...}`` if it ended with a question.

    Args:
        tool: The tool.
        args: Its arguments as JSON data.
        runtime: Given to it if it wants one.
        answers: Answers to the questions of earlier attempts, in order.
        executor: Threads for plain functions; ``None`` is the event loop's own.

    Raises:
        Exception: Whatever the tool raises.
    """
    try:
        with asking_through(ReplayedAnswers(list(answers))):
            return {"output": (await tool.call(args, runtime, executor)).to_wire()}
    except NodeInterrupt as interrupted:
        return {"ask": interrupted.ask.to_wire()}
