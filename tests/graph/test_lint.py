"""The determinism lint: what it finds in workflow-side functions, and what it leaves alone."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import datetime as dt
import functools
import importlib
import inspect
import operator
import os
import random
import random as rnd
import secrets
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import choice
from time import time as t
from typing import Annotated, Any, TypedDict

import httpx
import pytest
from pydantic import BaseModel, Field

from oris_temporal import END, START, Context, StateGraph
from oris_temporal.graph.errors import DeterminismError, GraphCompileError
from oris_temporal.graph.lint import BANNED, MAX_DEPTH, Finding, lint_function

# The functions under lint do what the linter and the type checker of this repository forbid.
# mypy: ignore-errors
# ruff: noqa: B008, C414, C416, DTZ003, DTZ005, DTZ011, E731, F811, F821, PLW0603, PLW1510


def lint(fn: Callable[..., Any]) -> list[Finding]:
    return lint_function(fn, owner="review.approve")


def calls(fn: Callable[..., Any]) -> list[str]:
    return [finding.call for finding in lint(fn)]


# --- what a finding says --------------------------------------------------------------------------------


def test_a_finding_names_the_owner_the_function_the_line_and_the_remedy() -> None:
    def approve(state, ctx):
        return {"at": time.time()}

    (finding,) = lint(approve)
    line = approve.__code__.co_firstlineno + 1
    assert finding == Finding("review.approve", "approve()", __file__, line, "time.time()", "use ctx.now()")
    assert str(finding) == (
        f"review.approve: approve() at test_lint.py:{line} calls time.time(), "
        "which a replay cannot repeat; use ctx.now()."
    )


def test_a_finding_in_a_helper_names_who_calls_it() -> None:
    def approve(state, ctx):
        return _stamp()

    (finding,) = lint(approve)
    assert "_stamp_now() at test_lint.py:" in str(finding)
    assert "called from approve() -> _stamp(), calls time.time(), which" in str(finding)


def test_one_line_reports_one_call_once() -> None:
    assert calls(lambda s, ctx: [time.time(), time.time(), uuid.uuid4()]) == ["time.time()", "uuid.uuid4()"]


# --- what is found, by remedy ---------------------------------------------------------------------------

ROOT = Path("data")
COUNT = 0
LABELS = frozenset({"a", "b"})
NUMBERS = frozenset({1, 2})
GENERATOR = random.Random(7)
HTTP = httpx.Client()
draw = GENERATOR.choice
roll = functools.partial(rnd.randint, 1, 6)


def clocks() -> list[tuple[Any, str]]:
    return [
        (lambda s, ctx: time.time(), "time.time()"),
        (lambda s, ctx: t(), "time.time()"),
        (lambda s, ctx: time.monotonic(), "time.monotonic()"),
        (lambda s, ctx: time.perf_counter_ns(), "time.perf_counter_ns()"),
        (lambda s, ctx: datetime.now(), "datetime.datetime.now()"),
        (lambda s, ctx: datetime.now(dt.UTC), "datetime.datetime.now()"),
        (lambda s, ctx: dt.datetime.utcnow(), "datetime.datetime.utcnow()"),
        (lambda s, ctx: dt.date.today(), "datetime.date.today()"),
        (lambda s, ctx: time.localtime(), "time.localtime()"),
        (lambda s, ctx: time.localtime(None), "time.localtime()"),
        (lambda s, ctx: time.strftime("%H"), "time.strftime()"),
    ]


def random_numbers() -> list[tuple[Any, str]]:
    return [
        (lambda s, ctx: random.random(), "random.random()"),
        (lambda s, ctx: choice([1, 2]), "random.choice()"),
        (lambda s, ctx: rnd.shuffle([1, 2]), "random.shuffle()"),
        (lambda s, ctx: roll(), "random.randint()"),
        (lambda s, ctx: random.Random(), "random.Random()"),
        (lambda s, ctx: random.SystemRandom(4), "random.SystemRandom()"),
        (lambda s, ctx: secrets.token_hex(), "secrets.token_hex()"),
        (lambda s, ctx: secrets.choice("ab"), "secrets.choice()"),
        (lambda s, ctx: os.urandom(8), "os.urandom()"),
        (lambda s, ctx: GENERATOR.random(), "GENERATOR.random()"),
        (lambda s, ctx: draw([1]), "draw()"),
    ]


def effects() -> list[tuple[Any, str]]:
    return [
        (lambda s, ctx: open("x"), "open()"),
        (lambda s, ctx: Path("x").read_text(), "pathlib.Path.read_text()"),
        (lambda s, ctx: ROOT.exists(), "pathlib.Path.exists()"),
        (lambda s, ctx: (ROOT / "a" / "b").write_text("x"), "pathlib.Path.write_text()"),
        (lambda s, ctx: (Path(__file__).resolve().parent / "p.txt").open(), "pathlib.Path.open()"),
        (lambda s, ctx: os.listdir("."), "os.listdir()"),
        (lambda s, ctx: os.path.exists("x"), "os.path.exists()"),
        (lambda s, ctx: subprocess.run(["ls"]), "subprocess.run()"),
        (lambda s, ctx: subprocess.Popen(["ls"]), "subprocess.Popen()"),
        (lambda s, ctx: httpx.get("http://x"), "httpx.get()"),
        (lambda s, ctx: httpx.AsyncClient(), "httpx.AsyncClient()"),
        (lambda s, ctx: HTTP.get("http://x"), "HTTP.get()"),
    ]


def threads() -> list[tuple[Any, str]]:
    return [
        (lambda s, ctx: threading.Thread(target=print).start(), "threading.Thread()"),
        (lambda s, ctx: ThreadPoolExecutor(), "concurrent.futures.ThreadPoolExecutor()"),
        (lambda s, ctx: asyncio.to_thread(print), "asyncio.to_thread()"),
        (
            lambda s, ctx: asyncio.get_running_loop().run_in_executor(None, print),
            "asyncio.AbstractEventLoop.run_in_executor()",
        ),
    ]


def settings() -> list[tuple[Any, str]]:
    return [
        (lambda s, ctx: os.getenv("HOME"), "os.getenv()"),
        (lambda s, ctx: os.environ["HOME"], "os.environ"),
        (lambda s, ctx: os.environ.get("HOME"), "os.environ"),
        (lambda s, ctx: "HOME" in os.environ, "os.environ"),
    ]


def orders() -> list[tuple[Any, str]]:
    return [
        (lambda s, ctx: asyncio.wait([]), "asyncio.wait()"),
        (lambda s, ctx: asyncio.as_completed([]), "asyncio.as_completed()"),
        (lambda s, ctx: list(set(s)), "a set"),
        (lambda s, ctx: tuple({"a", s}), "a set"),
        (lambda s, ctx: [x for x in set(s)], "a set"),
        (lambda s, ctx: list(set(s) - {"a"}), "a set"),
        (lambda s, ctx: ",".join(set(s)), "a set"),
        (lambda s, ctx: list(LABELS), "a set"),
        (lambda s, ctx: hash(s), "hash()"),
        (lambda s, ctx: id(s), "id()"),
    ]


@pytest.mark.parametrize(
    ("cases", "remedy"),
    [
        (clocks, "ctx.now()"),
        (random_numbers, "ctx.random()"),
        (effects, "ctx.activity()"),
        (threads, "activity"),
        (settings, "config"),
        (orders, ""),
    ],
)
def test_what_a_replay_cannot_repeat_is_found(cases: Callable[[], list[tuple[Any, str]]], remedy: str) -> None:
    for fn, call in cases():
        found = lint(fn)
        assert [f.call for f in found] == [call], inspect.getsource(fn)
        assert remedy in found[0].remedy
        assert found[0].function == "a lambda"


def test_the_other_remedies() -> None:
    async def node(state, ctx):
        time.sleep(1)
        uuid.uuid4()
        input()
        asyncio.run(node(state, ctx))

    assert [f.remedy.split(":")[0] for f in lint(node)] == [
        "use await ctx.sleep()",
        "use ctx.uuid4()",
        "use await ctx.interrupt()",
        "await the coroutine itself",
    ]


def test_iterating_over_a_set() -> None:
    def node(state, ctx):
        for name in set(state):
            print(name)
        names = frozenset(state)
        for name in names:
            print(name)

    found = lint(node)
    assert [f.line - node.__code__.co_firstlineno for f in found] == [1, 4]
    assert "iterates over a set, which a replay cannot repeat; iterate over sorted(...)." in str(found[0])


def test_assigning_to_variables_that_all_runs_share() -> None:
    total = 0

    def node(state, ctx):
        global COUNT
        nonlocal total
        COUNT += 1
        total = 2
        mine = 0

        def inner():
            nonlocal mine
            mine += 1

        return inner

    found = lint(node)
    assert [f.call for f in found] == ["the global variable 'COUNT'", "the enclosing variable 'total'"]
    assert "assigns the global variable 'COUNT', which" in str(found[0])
    assert "keep it in the state" in found[0].remedy
    assert total == 0


def test_imports_inside_of_the_function() -> None:
    def node(state, ctx):
        import time as clock
        from os import path, urandom
        from uuid import uuid4

        return clock.time(), uuid4(), urandom(1), path.exists("x")

    assert calls(node) == ["time.time()", "uuid.uuid4()", "os.urandom()", "os.path.exists()"]


def test_modules_that_are_not_imported_yet_are_known_by_name() -> None:
    assert not {"numpy", "aiohttp"} & set(sys.modules)

    def node(state, ctx):
        import aiohttp
        import numpy as np
        import numpy.random

        np.random.default_rng(3)
        numpy.random.rand()
        return np.random.rand(), np.random.default_rng(), aiohttp.ClientSession()

    assert calls(node) == [
        "numpy.random.rand()",
        "numpy.random.rand()",
        "numpy.random.default_rng()",
        "aiohttp.ClientSession()",
    ]
    assert not {"numpy", "aiohttp"} & set(sys.modules)


def test_aliases_made_inside_of_the_function() -> None:
    def node(state, ctx):
        now = datetime.now
        file = Path("x")
        if (other := Path("y")).name:
            other.read_text()
        return now(), file.read_text()

    assert calls(node) == ["pathlib.Path.read_text()", "datetime.datetime.now()", "pathlib.Path.read_text()"]


def test_nested_functions_lambdas_and_comprehensions_count() -> None:
    async def node(state, ctx):
        def inner(at=time.monotonic()):
            return lambda: [time.time() for _ in state]

        class Inner:
            created = time.time_ns()

            def method(self):
                return uuid.uuid1()

        return inner, Inner, {k: os.urandom(1) for k in state}

    assert calls(node) == [
        "time.monotonic()",
        "time.time()",
        "time.time_ns()",
        "uuid.uuid1()",
        "os.urandom()",
    ]


# --- shapes of callables --------------------------------------------------------------------------------


class Approver:
    def __init__(self) -> None:
        self.clock = time.time
        self.client = HTTP
        self.helper = _stamp

    async def __call__(self, state, ctx):
        return self.step(), self.clock()

    def step(self):
        return self.client.get("http://x")

    def with_helper(self, state, ctx):
        return self.helper()

    @staticmethod
    def static(state, ctx):
        return random.random()

    @classmethod
    def of_class(cls, state, ctx):
        return cls.static(state, ctx)

    @property
    def shaky(self):
        raise RuntimeError("the lint must not run properties")

    def reads_property(self, state, ctx):
        return self.shaky.open()


def decorated(fn):
    @functools.wraps(fn)
    def wrapper(*args):
        started = time.monotonic()
        return fn(*args), started

    return wrapper


@decorated
@functools.lru_cache
def cached(state, ctx):
    return time.time()


def test_callable_objects_and_methods() -> None:
    approver = Approver()
    assert calls(approver) == ["self.client.get()", "time.time()"]
    assert calls(approver.with_helper) == ["time.time()"]
    assert calls(approver.static) == ["random.random()"]
    assert calls(approver.of_class) == ["random.random()"]
    assert calls(Approver.of_class) == ["random.random()"]
    assert calls(approver.reads_property) == []
    assert lint(approver)[0].function == "Approver.step()"


def test_decorated_functions_and_partials() -> None:
    def node(extra, state, ctx):
        return time.time()

    assert calls(cached) == ["time.monotonic()", "time.time()"]
    assert calls(functools.partial(node, 1)) == ["time.time()"]
    assert calls(functools.partial(functools.partial(cached))) == ["time.monotonic()", "time.time()"]


def test_lambdas_on_one_line_and_over_several_lines() -> None:
    pair = (lambda s: time.time(), lambda s: s)  # fmt: skip
    outer = lambda s: (lambda x: time.time(), s)  # fmt: skip
    multi = [
        lambda s: (
            uuid.uuid4(),
            s,
        )
    ][0]

    assert [calls(fn) for fn in pair] == [["time.time()"], []]
    assert calls(outer) == ["time.time()"]
    assert calls(outer(1)[0]) == ["time.time()"]
    assert calls(multi) == ["uuid.uuid4()"]


def test_closures_resolve() -> None:
    def make(clock):
        def node(state, ctx):
            return clock()

        return node

    assert calls(make(time.time)) == ["time.time()"]
    assert calls(make(collections.Counter)) == []


def test_functions_without_source_have_no_findings(tmp_path: Path) -> None:
    namespace: dict[str, Any] = {}
    exec("import time\ndef node(state, ctx): return time.time()", namespace)
    assert lint(operator.add) == []
    assert lint(max) == []
    assert lint(namespace["node"]) == []
    assert lint(functools.partial(operator.add, 1)) == []
    assert lint(int) == []


def test_source_that_changed_since_the_import_is_not_misread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "stale_nodes.py"
    file.write_text("def node(state, ctx):\n    return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    node = importlib.import_module("stale_nodes").node
    file.write_text("import time\ndef other(a): return time.time()\n")
    assert lint(node) == []


# --- recursion ------------------------------------------------------------------------------------------


def _stamp():
    return _stamp_now()


def _stamp_now():
    return time.time()


def _ping(state):
    return _pong(state), time.time()


def _pong(state):
    return _ping(state)


@dataclass
class Item:
    name: str
    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    at: float = field(default_factory=time.time)
    tags: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.salt = os.urandom(1)

    def save(self):
        ROOT.write_text(self.name)


class Order(BaseModel):
    key: uuid.UUID = Field(default_factory=uuid.uuid4)
    name: str = ""


def test_recursion_ends_with_cycles() -> None:
    assert calls(lambda s, ctx: _ping(s)) == ["time.time()"]


def test_recursion_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = "".join(f"def f{n}():\n    return f{n + 1}()\n" for n in range(MAX_DEPTH + 1))
    text = f"import time\n{chain}def f{MAX_DEPTH + 1}():\n    return time.time()\n"
    (tmp_path / "chain_nodes.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    nodes = importlib.import_module("chain_nodes")
    assert calls(nodes.f1) == ["time.time()"]
    assert calls(nodes.f0) == []


def test_objects_of_the_users_classes_are_followed() -> None:
    assert calls(lambda s, ctx: Item("x")) == ["uuid.uuid4()", "time.time() for Item.at", "os.urandom()"]
    assert calls(lambda s, ctx: Item("x", "k", at=1)) == ["os.urandom()"]
    assert calls(lambda s, ctx: Item("x", "k", 1.0).save()) == ["pathlib.Path.write_text()", "os.urandom()"]
    assert calls(lambda s, ctx: Order()) == ["uuid.uuid4() for Order.key"]
    assert calls(lambda s, ctx: Order(key=s)) == []
    assert calls(lambda s, ctx: Order(**s)) == []


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A user's package of two modules, and a library beside it."""
    files = {
        "flow/__init__.py": "",
        "flow/nodes.py": """
            import library
            from . import util
            from .util import stamp

            def node(state, ctx):
                return stamp()

            def relative(state, ctx):
                from .util import stamp as s
                return s()

            def with_library(state, ctx):
                return library.stamp(), util.fine()
            """,
        "flow/util.py": "import time\ndef stamp():\n    return time.time()\ndef fine():\n    return 1\n",
        "site-packages/library.py": "import time\ndef stamp():\n    return time.time()\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(str(tmp_path / "site-packages"))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("flow.nodes")
    for name in ("flow", "flow.nodes", "flow.util", "library"):
        sys.modules.pop(name, None)


def test_recursion_stays_in_the_users_package(package: Any) -> None:
    (finding,) = lint(package.node)
    assert (finding.call, os.path.basename(finding.file), finding.line) == ("time.time()", "util.py", 3)
    assert calls(package.relative) == ["time.time()"]
    assert calls(package.with_library) == []


# --- what is left alone ---------------------------------------------------------------------------------


class Shop:
    """A user's object with the names of banned functions."""

    def choice(self, items):
        return items[0]

    def time(self):
        return 1

    def open(self):
        return self

    def random(self):
        return 4


def test_look_alikes() -> None:
    random = Shop()
    time = Shop()

    def node(state, ctx, uuid):
        open = random.open
        return random.choice(state), time.time(), open(), uuid.uuid4(), ctx.random().random(), ctx.uuid4()

    def loops(state, ctx):
        for time in state:
            time.time()
        return [random.random() for random in state]

    def rebound(state, ctx):
        import random

        random = state
        return random.choice()

    assert calls(node) == calls(loops) == calls(rebound) == []


def test_deterministic_code() -> None:
    async def node(state, ctx):
        await asyncio.sleep(1)
        await asyncio.gather(ctx.sleep(1), ctx.sleep(2))
        async with asyncio.timeout(1):
            queue, event, lock = asyncio.Queue(), asyncio.Event(), asyncio.Lock()
        await asyncio.wait_for(event.wait(), 3)
        print("fine")
        rng = random.Random(7)
        parsed = datetime.fromisoformat("2020-01-01"), dt.timedelta(1), time.gmtime(0), uuid.UUID(int=1)
        stamp = time.strftime("%H", time.gmtime(0)), time.localtime(state.at)
        name = os.path.join("a", "b"), Path("x").name, Path("a") / "b", (Path("x") / "y").suffix
        unique = sorted(set(state)), len(set(state)), max(set(state)), sorted(list(set(state)))
        unique += (sorted([x for x in set(state)]), {x for x in set(state)}, "x" in {"x", "y"})
        numbers = [n for n in {1, 2, 3}], list(NUMBERS), hash(4)
        for key in {"a": 1}:
            print(key)
        for label in sorted(LABELS):
            print(label)
        url = httpx.URL("http://x"), subprocess.list2cmdline(["a"]), concurrent.futures.Future()
        return rng.choice(state), rng.random(), queue, lock, parsed, stamp, name, unique, numbers, url

    assert lint(node) == []


def test_activities_are_passed_not_called() -> None:
    async def node(state, ctx):
        return await ctx.activity(httpx.get, "http://x"), await ctx.activity(_stamp)

    assert lint(node) == []


def test_decorators_defaults_and_annotations_ran_when_the_function_was_defined() -> None:
    @functools.wraps(time.time)
    def inner(state):
        return state

    def node(state, ctx, at=time.time()):
        when: Path("x").read_text() = 1
        return when

    assert lint(node) == []


def test_strange_objects_do_not_break_the_lint() -> None:
    class Lazy:
        @property
        def __class__(self):
            raise RuntimeError("not configured")

        def __bool__(self):
            raise RuntimeError("not configured")

        def __eq__(self, other):
            raise RuntimeError("not configured")

        def __getattr__(self, name):
            raise RuntimeError("not configured")

        __hash__ = None

    settings = Lazy()

    def node(state, ctx):
        return settings.open(), settings(), settings.choice.x(), missing_name(), (lambda: 1)()

    assert lint(node) == []


def test_the_tables_name_things_that_exist() -> None:
    newer = {"copy", "move", "walk", "uuid6", "uuid7", "binomialvariate", "getrandom", "posix_spawn"}
    for ban in BANNED:
        root = ban.home.partition(".")[0]
        if root not in sys.stdlib_module_names:
            continue
        home: Any = importlib.import_module(root)
        for part in ban.home.split(".")[1:]:
            home = getattr(home, part, None) or importlib.import_module(f"{home.__name__}.{part}")
        for name in set(ban.names.split()) - newer:
            assert hasattr(home, name), f"{ban.home}.{name}"


# --- defaults of the state -------------------------------------------------------------------------------------------


class Entry(BaseModel):
    key: str = Field(default_factory=lambda: uuid.uuid4().hex)
    tags: list[str] = Field(default_factory=list)


class Ledger(BaseModel):
    entries: Annotated[list[Entry], operator.add] = Field(default_factory=list)


class Stamped(BaseModel):
    at: float = Field(default_factory=time.time)


def compile_state(schema: type, **options: Any) -> None:
    graph = StateGraph(schema).add_node("a", lambda state: {}).add_edge(START, "a").add_edge("a", END)
    graph.compile(name="shop", **options)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (
            Stamped,
            r"shop \(default of Stamped\.at\): it calls time\.time\(\), which a replay cannot repeat; leave the field",
        ),
        (
            Item,
            r"shop \(default of Item\.key\): a lambda at test_lint\.py:\d+ calls uuid\.uuid4\(\).*set it in the input",
        ),
        (Ledger, r"shop \(default of Entry\.key\): .*uuid\.uuid4\(\)"),
    ],
)
def test_defaults_of_the_state_must_be_the_same_at_every_replay(schema: type, said: str) -> None:
    with pytest.raises(DeterminismError, match=said):
        compile_state(schema)
    compile_state(schema, lint="off")


def test_defaults_of_what_a_workflow_side_node_reads() -> None:
    class State(TypedDict):
        at: float

    async def node(state: Stamped, ctx: Context) -> None:
        pass

    graph = StateGraph(State).add_node("a", node).add_edge(START, "a").add_edge("a", END)
    with pytest.raises(DeterminismError, match=r"default of Stamped\.at"):
        graph.compile(name="shop")


def test_defaults_that_are_the_same_every_time() -> None:
    class Pure(BaseModel):
        tags: list[str] = Field(default_factory=list)
        pairs: dict[str, int] = Field(default_factory=lambda: {"a": 1})

    compile_state(Pure)


def test_a_default_made_from_other_fields() -> None:
    class Derived(BaseModel):
        first: str = "a"
        second: str = Field(default_factory=lambda data: data["first"])

    with pytest.raises(
        GraphCompileError, match=r"State Derived: the default of field 'second' is made from other fields"
    ):
        compile_state(Derived)
