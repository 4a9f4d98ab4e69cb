"""Determinism lint: finds calls in workflow-side functions that a replay cannot repeat.

Workflow-side code (nodes that take a `Context`, routers, reducers) runs again, from the start, whenever
Temporal replays a run. The lint reads the source of such a function and resolves every name in it to the real
object, through globals, closures, attributes and imports: an alias of `time.time` is found, and a user's own
object called ``random`` is left alone. What does not resolve is not reported; the runtime guard and replay
tests stand behind this lint.
"""

from __future__ import annotations

import ast
import builtins
import functools
import importlib.util
import inspect
import linecache
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, is_dataclass
from types import BuiltinMethodType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

from pydantic import BaseModel

# --- what is banned -------------------------------------------------------------------------------------

CLOCK = "use ctx.now()"
RANDOM = "use ctx.random()"
UUID = "use ctx.uuid4()"
SLEEP = "use await ctx.sleep()"
EFFECT = "make it an activity node, or call it through ctx.activity()"
SETTING = "read it in an activity node, or pass it in through the input or the config"
MODEL = "call the model in an activity node, or through ctx.llm()"
THREAD = "do the work in an activity node, or through ctx.activity()"
LOOP = "await the coroutine itself: a workflow has one event loop"
GATHER = "use asyncio.gather(), which keeps the order of its arguments"
SORT = "iterate over sorted(...)"
UNSTABLE = "use a key made from the value itself: the number differs in every process"
STATE = "keep it in the state: all runs in the process share a variable"
PERSON = "use await ctx.interrupt()"

ANY = 1_000_000


class Ban(NamedTuple):
    """Names of one module or class that workflow-side code must not call.

    Attributes:
        home: Dotted name of the module or class.
        names: The names in it, separated by spaces.
        remedy: What to do instead.
        below: Calls with this many arguments or more are fine, as in ``time.localtime(seconds)``.
    """

    home: str
    names: str
    remedy: str
    below: int = ANY


BANNED: tuple[Ban, ...] = (
    # clocks
    Ban("time", "time time_ns monotonic monotonic_ns perf_counter perf_counter_ns process_time", CLOCK),
    Ban("time", "process_time_ns thread_time thread_time_ns clock_gettime clock_gettime_ns", CLOCK),
    Ban("time", "localtime gmtime ctime asctime", CLOCK, below=1),
    Ban("time", "strftime", CLOCK, below=2),
    Ban("datetime.datetime", "now utcnow", CLOCK),
    Ban("datetime.date", "today", CLOCK),  # and datetime.today, which is the same
    # random numbers
    Ban("random", "random randint randrange randbytes getrandbits choice choices sample shuffle", RANDOM),
    Ban("random", "uniform triangular betavariate binomialvariate expovariate gammavariate gauss", RANDOM),
    Ban("random", "normalvariate lognormvariate vonmisesvariate paretovariate weibullvariate", RANDOM),
    Ban("random", "seed SystemRandom", RANDOM),
    Ban("random", "Random", RANDOM, below=1),
    Ban("secrets", "choice randbelow randbits token_bytes token_hex token_urlsafe", RANDOM),
    Ban("os", "urandom getrandom", RANDOM),
    Ban("uuid", "uuid1 uuid4 uuid6 uuid7", UUID),
    Ban("numpy.random", "rand randn randint random random_sample bytes choice shuffle permutation", RANDOM),
    Ban("numpy.random", "normal standard_normal uniform exponential poisson binomial seed", RANDOM),
    Ban("numpy.random", "default_rng RandomState", RANDOM, below=1),
    # waiting
    Ban("time", "sleep", SLEEP),
    # files
    Ban("builtins", "open", EFFECT),
    Ban("io", "open open_code FileIO", EFFECT),
    Ban("codecs", "open", EFFECT),
    Ban("pathlib.Path", "open read_text read_bytes write_text write_bytes touch mkdir rmdir unlink", EFFECT),
    Ban("pathlib.Path", "rename replace symlink_to hardlink_to chmod iterdir glob rglob walk copy", EFFECT),
    Ban("pathlib.Path", "move stat lstat exists is_file is_dir is_symlink owner group readlink", EFFECT),
    Ban("os", "open fdopen listdir scandir walk remove unlink rename renames replace mkdir makedirs", EFFECT),
    Ban("os", "rmdir removedirs stat lstat access chmod chown link symlink readlink truncate utime", EFFECT),
    Ban("os", "chdir", EFFECT),
    Ban("os.path", "exists lexists isfile isdir islink getsize getmtime getatime getctime", EFFECT),
    Ban("shutil", "copy copy2 copyfile copytree move rmtree make_archive unpack_archive which", EFFECT),
    Ban("tempfile", "mkstemp mkdtemp TemporaryFile NamedTemporaryFile SpooledTemporaryFile", EFFECT),
    Ban("tempfile", "TemporaryDirectory", EFFECT),
    Ban("glob", "glob iglob", EFFECT),
    Ban("sqlite3", "connect", EFFECT),
    Ban("shelve", "open", EFFECT),
    # facts about the process and the machine
    Ban("os", "getenv getenvb putenv unsetenv getpid getppid getcwd getlogin cpu_count", SETTING),
    Ban("socket", "gethostname getfqdn", SETTING),
    Ban("platform", "node", SETTING),
    Ban("getpass", "getuser", SETTING),
    # other programs and the network
    Ban("os", "system popen fork execv execve execvp execl execlp posix_spawn spawnv spawnl kill", EFFECT),
    Ban("subprocess", "run call check_call check_output getoutput getstatusoutput Popen", EFFECT),
    Ban("socket", "socket create_connection create_server getaddrinfo gethostbyname gethostbyaddr", EFFECT),
    Ban("asyncio", "create_subprocess_exec create_subprocess_shell open_connection start_server", EFFECT),
    Ban("asyncio", "open_unix_connection start_unix_server", EFFECT),
    Ban("urllib.request", "urlopen urlretrieve build_opener", EFFECT),
    Ban("http.client", "HTTPConnection HTTPSConnection", EFFECT),
    Ban("smtplib", "SMTP SMTP_SSL", EFFECT),
    Ban("requests", "get post put patch delete head options request Session session", EFFECT),
    Ban("httpx", "get post put patch delete head options request stream Client AsyncClient", EFFECT),
    Ban("aiohttp", "ClientSession request", EFFECT),
    Ban("urllib3", "PoolManager request", EFFECT),
    Ban("openai", "OpenAI AsyncOpenAI AzureOpenAI AsyncAzureOpenAI", MODEL),
    Ban("anthropic", "Anthropic AsyncAnthropic", MODEL),
    # threads, worker processes, other event loops
    Ban("threading", "Thread Timer", THREAD),
    Ban("_thread", "start_new_thread", THREAD),
    Ban("concurrent.futures", "Executor ThreadPoolExecutor ProcessPoolExecutor", THREAD),
    Ban("multiprocessing", "Process Pool Manager Queue Pipe", THREAD),
    Ban("asyncio", "to_thread run_coroutine_threadsafe", THREAD),
    Ban("asyncio.AbstractEventLoop", "run_in_executor", THREAD),
    Ban("asyncio", "run new_event_loop Runner", LOOP),
    # orders and numbers that differ from process to process
    Ban("asyncio", "wait as_completed", GATHER),
    Ban("builtins", "hash id", UNSTABLE),
    # people
    Ban("builtins", "input", PERSON),
    Ban("getpass", "getpass", PERSON),
)

# Classes whose objects must not be used when they live outside of the function: all runs share them.
SHARED: tuple[Ban, ...] = (
    Ban("random", "Random", RANDOM),
    Ban("numpy.random", "Generator RandomState", RANDOM),
    Ban("requests", "Session", EFFECT),
    Ban("httpx", "Client AsyncClient", EFFECT),
    Ban("aiohttp", "ClientSession", EFFECT),
    Ban("urllib3", "PoolManager", EFFECT),
    Ban("sqlite3", "Connection Cursor", EFFECT),
    Ban("socket", "socket", EFFECT),
    Ban("openai", "OpenAI AsyncOpenAI", MODEL),
    Ban("anthropic", "Anthropic AsyncAnthropic", MODEL),
    Ban("concurrent.futures", "Executor", THREAD),
)

# Home, names, class of what they return: enough to follow the usual chains to a banned method.
RETURNS: tuple[tuple[str, str, str], ...] = (
    ("pathlib.Path", "cwd home resolve absolute expanduser joinpath with_name with_suffix", "pathlib.Path"),
    ("pathlib.Path", "parent", "pathlib.Path"),
    ("asyncio", "get_running_loop get_event_loop", "asyncio.AbstractEventLoop"),
)

ORDERING = ("list", "tuple", "enumerate", "iter")  # a set given to these yields its order
ORDER_FREE = ("sorted", "set", "frozenset", "len", "sum", "min", "max", "any", "all")  # these forget it

MAX_DEPTH = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a workflow-side function does and a replay cannot repeat.

    Attributes:
        owner: Full name of the node, router or reducer, ``graph.node``.
        function: Name of the function the line belongs to.
        file: Path of its source file.
        line: Line number in that file, counted from 1.
        call: What is called, by its real name, such as ``time.time()``.
        remedy: What to do instead.
        verb: What the function does with it: "calls", "reads", "assigns" or "iterates over".
        via: Functions that lead from the owner's function to this one, outermost first.
    """

    owner: str
    function: str
    file: str
    line: int
    call: str
    remedy: str
    verb: str = "calls"
    via: tuple[str, ...] = ()

    def __str__(self) -> str:
        place = f"{self.function} at {os.path.basename(self.file)}:{self.line}"
        if self.via:
            place += f", called from {' -> '.join(self.via)},"
        return f"{self.owner}: {place} {self.verb} {self.call}, which a replay cannot repeat; {self.remedy}."


def lint_function(fn: Callable[..., Any], *, owner: str) -> list[Finding]:
    """Look for calls that a replay cannot repeat, in `fn` and in functions of its package that it calls.

    Nothing is called or imported. Functions without source (builtins, C functions, code typed into a plain
    prompt) give no findings.

    Args:
        fn: Function, lambda, method, `functools.partial`, decorated function, class or callable object.
        owner: Full name to report, ``graph.node``.

    Returns:
        The findings in the order the code is read; at most one for each line and call.
    """
    parts = list(_functions_of(fn))
    if not parts:
        return []
    home = parts[-1][0]  # the innermost: the function itself rather than its decorators
    linter = _Linter(owner, home)
    linter.follow(parts, depth=0, via=())
    return linter.findings


# --- values: what an expression stands for --------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """A real object, reached by name; `receiver` is set for methods, to what they were looked up on."""

    obj: Any
    receiver: _Value | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """An object that the code under lint creates itself; only its class is known."""

    cls: type


@dataclass(frozen=True, slots=True, eq=False)
class _Unloaded:
    """A name in a module that is not imported yet, as by an import inside of a function."""

    dotted: str


_Value = _Known | _Made | _Unloaded


def _known(obj: Any) -> _Known | None:
    try:
        _ = obj.__class__  # a lazy proxy may fail here, as it would in every isinstance() below
    except Exception:
        return None
    return _Known(obj)


def _module(dotted: str) -> _Value:
    module = sys.modules.get(dotted)
    return _Known(module) if isinstance(module, ModuleType) else _Unloaded(dotted)


def _attribute(value: _Value | None, name: str) -> _Value | None:
    """Look an attribute up without running properties, `__getattr__` or other code of the user."""
    match value:
        case _Unloaded(dotted):
            return _Unloaded(f"{dotted}.{name}")
        case _Known(ModuleType() as module):
            found = vars(module)
            return _known(found[name]) if name in found else _module(f"{module.__name__}.{name}")
        case _Known(obj):
            return _member(obj, name, value)
        case _Made(cls):
            return _member(cls, name, value)
    return None


def _member(obj: Any, name: str, on: _Known | _Made) -> _Value | None:
    found = _static(obj, name)
    if found is None:
        return None
    if isinstance(found, staticmethod):
        return _Known(found.__func__)
    if isinstance(found, classmethod):
        return _Known(found.__func__, _Known(obj if isinstance(obj, type) else type(obj)))
    if hasattr(type(found), "__get__") and not callable(found):  # a property: its value is not known
        return _returned_by(found)
    instance_of = on.cls if isinstance(on, _Made) else type(obj)
    is_method = callable(found) and _static(instance_of, name) is found
    return _Known(found, on) if is_method else _known(found)


def _static(obj: Any, name: str) -> Any | None:
    try:
        return inspect.getattr_static(obj, name)
    except AttributeError:
        return None


def _key(obj: Any) -> tuple[int, int]:
    """Identity of a callable, the same for every bound copy of a method.

    A method bound to an object keeps the object's identity: `random.choice` is not another generator's.
    """
    if not isinstance(obj, MethodType | BuiltinMethodType) or isinstance(obj.__self__, ModuleType | None):
        return id(obj), 0
    of_class = isinstance(obj.__self__, type)
    if isinstance(obj, MethodType):
        raw: Any = obj.__func__
    else:
        raw = _static(obj.__self__ if of_class else type(obj.__self__), obj.__name__) or obj
    return id(raw), 0 if of_class else id(obj.__self__)


# --- the tables, ready to be asked ----------------------------------------------------------------------


class _Rule(NamedTuple):
    call: str
    remedy: str
    below: int


class _Index(NamedTuple):
    rules: dict[tuple[int, int], _Rule]
    rules_by_name: dict[str, _Rule]
    shared: dict[int, _Rule]
    returns: dict[tuple[int, int], type]
    alive: list[Any]  # an id names an object only as long as the object lives


_HOMES = sorted({name for ban in BANNED + SHARED for name in (ban.home, ban.home.rpartition(".")[0])})


def _index() -> _Index:
    return _build_index(tuple(name for name in _HOMES if name in sys.modules))


@functools.lru_cache(maxsize=4)
def _build_index(loaded: tuple[str, ...]) -> _Index:
    """Resolve the tables to objects, as far as their modules are `loaded` by now."""
    index = _Index({}, {}, {}, {}, [])
    for ban, name in _each(BANNED):
        dotted = f"{ban.home}.{name}"
        rule = _Rule(f"{dotted.removeprefix('builtins.')}()", ban.remedy, ban.below)
        index.rules_by_name.setdefault(dotted, rule)
        if (obj := _find(dotted)) is not None:
            index.alive.append(obj)
            index.rules.setdefault(_key(obj), rule)
    for ban, name in _each(SHARED):
        if (obj := _find(f"{ban.home}.{name}")) is not None:
            index.alive.append(obj)
            index.shared[id(obj)] = _Rule(name, ban.remedy, ban.below)
    for home, names, returned in RETURNS:
        for name in names.split():
            if (obj := _find(f"{home}.{name}")) is not None and (cls := _find(returned)) is not None:
                index.alive.append(obj)
                index.returns[_key(obj)] = cls
    return index


def _each(table: Sequence[Ban]) -> Iterator[tuple[Ban, str]]:
    return ((ban, name) for ban in table for name in ban.names.split())


def _find(dotted: str) -> Any | None:
    """Find a module, class or function by its dotted name, if its module is imported."""
    root, *rest = dotted.split(".")
    value: Any = sys.modules.get(root, builtins if root == "builtins" else None)
    for done, name in enumerate(rest, start=1):
        if isinstance(value, ModuleType):
            value = vars(value).get(name, sys.modules.get(".".join([root, *rest[:done]])))
        elif value is not None:
            value = _static(value, name)
    return value.__func__ if isinstance(value, classmethod | staticmethod) else value


def _ban_on_calling(value: _Value | None) -> _Rule | None:
    index = _index()
    match value:
        case _Unloaded(dotted):
            return index.rules_by_name.get(dotted)
        case _Known(type() as cls):
            return next((rule for base in cls.__mro__ if (rule := index.rules.get((id(base), 0)))), None)
        case _Known(functools.partial(func=func)):
            rule = _ban_on_calling(_known(func))
            return rule if rule and rule.below == ANY else None  # it may hold the arguments
        case _Known(obj):
            method, bound_to = _key(obj)
            return index.rules.get((method, bound_to)) or index.rules.get((method, 0))
    return None


def _ban_on_sharing(value: _Value | None) -> _Rule | None:
    """The ban on using an object, or a method bound to one, that lives outside of the function."""
    if not isinstance(value, _Known) or isinstance(value.obj, type | ModuleType):
        return None
    obj = value.obj.__self__ if isinstance(value.obj, MethodType | BuiltinMethodType) else value.obj
    return next((rule for base in type(obj).__mro__ if (rule := _index().shared.get(id(base)))), None)


def _returned_by(obj: Any) -> _Made | None:
    cls = _index().returns.get(_key(obj))
    return _Made(cls) if cls else None


# --- from callables to source ---------------------------------------------------------------------------

_FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_Part = tuple[FunctionType, _Value | None]  # a Python function, and its first argument where that is known


def _functions_of(target: Any, receiver: _Value | None = None) -> Iterator[_Part]:
    """Unwrap partials, methods, decorators, classes and callable objects to functions, outermost first."""
    seen: set[int] = set()
    while target is not None and id(target) not in seen:
        seen.add(id(target))
        if isinstance(target, functools.partial):
            target, receiver = target.func, None
        elif isinstance(target, MethodType):
            target, receiver = target.__func__, _Known(target.__self__)
        elif isinstance(target, staticmethod | classmethod):
            target = target.__func__
        elif isinstance(target, FunctionType):
            yield target, receiver
            target = target.__dict__.get("__wrapped__")
        elif isinstance(target, type):
            inits = (_static(target, name) for name in ("__init__", "__post_init__"))
            yield from ((init, _Made(target)) for init in inits if isinstance(init, FunctionType))
            return
        elif (wrapped := _static(target, "__wrapped__")) is not None:  # functools.cache and the like
            target = wrapped
        else:
            call = _static(type(target), "__call__")
            target, receiver = (call, _Known(target)) if isinstance(call, FunctionType) else (None, None)


@functools.lru_cache(maxsize=16)
def _nodes_by_line(source: str) -> dict[int, list[_FunctionNode]]:
    """Index the functions of a file by the line that their code objects name as the first."""
    nodes: dict[int, list[_FunctionNode]] = {}
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return nodes
    for node in ast.walk(tree):
        if isinstance(node, _FunctionNode):
            decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
            nodes.setdefault(min([node.lineno, *(d.lineno for d in decorators)]), []).append(node)
    return nodes


def _node_of(fn: FunctionType) -> _FunctionNode | None:
    """Find the syntax tree of a function; None without source, or when the source is no longer the code's."""
    code = fn.__code__
    linecache.checkcache(code.co_filename)
    source = "".join(linecache.getlines(code.co_filename, fn.__globals__))
    found = [node for node in _nodes_by_line(source).get(code.co_firstlineno, ()) if _fits(node, code)]
    if len(found) > 1:  # several lambdas on one line; the innermost one around the code is the code's
        found = sorted((node for node in found if _spans(node, code)), key=_size)
    return found[0] if found else None


def _fits(node: _FunctionNode, code: CodeType) -> bool:
    name = "<lambda>" if isinstance(node, ast.Lambda) else node.name
    positional = len(node.args.posonlyargs) + len(node.args.args)
    counts = (code.co_name, code.co_argcount, code.co_kwonlyargcount)
    return counts == (name, positional, len(node.args.kwonlyargs))


def _spans(node: _FunctionNode, code: CodeType) -> bool:
    """Whether all instructions of `code` come from the body of this lambda."""
    if not isinstance(node, ast.Lambda):
        return True
    start = (node.body.lineno, node.body.col_offset)
    end = (node.body.end_lineno or 0, node.body.end_col_offset or 0)
    # Instructions that set the frame up have no place of their own: a width of nothing.
    places = [(a, b, c, d) for a, b, c, d in code.co_positions() if a and b and c is not None and d and c != d]
    return bool(places) and all(start <= (a, c) and (b, d) <= end for a, b, c, d in places)


def _size(node: _FunctionNode) -> tuple[int, int]:
    return (node.end_lineno or 0) - node.lineno, (node.end_col_offset or 0) - node.col_offset


# --- the names of a function ----------------------------------------------------------------------------


class _Import(NamedTuple):
    module: str
    name: str | None
    level: int


_Binding = ast.expr | _Import | None  # what a name is bound to; None where that does not matter
_Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


class _Scope:
    """The names that one function, class body or comprehension binds."""

    def __init__(self, body: Sequence[ast.AST] = (), names: Sequence[str] = ()) -> None:
        self.bindings: dict[str, list[_Binding]] = {name: [None] for name in names}
        self.known: dict[str, _Value] = {}
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()
        for node in body:
            self._collect(node)
        for name in self.globals | self.nonlocals:
            self.bindings.pop(name, None)

    def _bind(self, name: str | None, binding: _Binding = None) -> None:
        if name is not None:
            self.bindings.setdefault(name, []).append(binding)

    def _collect(self, node: ast.AST) -> None:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self._bind(name, value)
                self._collect(value)
            case ast.NamedExpr(target=ast.Name(id=name), value=value):
                self._bind(name, value)
                self._collect(value)
            case ast.AnnAssign(target=target, value=assigned):
                self._collect(target)
                if assigned is not None:
                    self._collect(assigned)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                self._bind(name)
            case ast.Lambda():
                pass
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                for inner in ast.walk(node):  # of a comprehension, only `:=` binds out here
                    if isinstance(inner, ast.NamedExpr):
                        self._bind(inner.target.id)
            case _:
                self._collect_plain(node)
                for child in ast.iter_child_nodes(node):
                    self._collect(child)

    def _collect_plain(self, node: ast.AST) -> None:
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                self._bind(name)
            case ast.ExceptHandler(name=name) | ast.MatchAs(name=name) | ast.MatchStar(name=name):
                self._bind(name)
            case ast.MatchMapping(rest=name):
                self._bind(name)
            case ast.Global(names=names):
                self.globals.update(names)
            case ast.Nonlocal(names=names):
                self.nonlocals.update(names)
            case ast.Import(names=aliases):
                for alias in aliases:
                    module = alias.name if alias.asname else alias.name.partition(".")[0]
                    self._bind(alias.asname or module, _Import(module, None, 0))
            case ast.ImportFrom(module=source, names=aliases, level=level):
                for alias in aliases:
                    self._bind(alias.asname or alias.name, _Import(source or "", alias.name, level))


def _parameters(arguments: ast.arguments) -> list[str]:
    extra = [arg for arg in (arguments.vararg, arguments.kwarg) if arg]
    return [arg.arg for arg in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *extra)]


class _Names:
    """Resolves the expressions of one function to values."""

    def __init__(self, fn: FunctionType) -> None:
        self.scopes: list[_Scope] = []
        self._globals = fn.__globals__
        self._cells = dict(zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True))
        self._resolving: set[tuple[int, str]] = set()

    def resolve(self, node: ast.AST | None) -> _Value | None:
        match node:
            case ast.Name(id=name):
                return self._name(name)
            case ast.Attribute(value=base, attr=attr):
                return _attribute(self.resolve(base), attr)
            case ast.Call(func=func):
                return self._result(self.resolve(func))
            case ast.NamedExpr(value=value):
                return self.resolve(value)
            case ast.Set(elts=elements):
                return None if all(_is_number(element) for element in elements) else _Made(set)
            case ast.SetComp():
                return _Made(set)
            case ast.BinOp(left=left, op=op):
                return self._operation(self.resolve(left), op)
        return None

    def _result(self, callee: _Value | None) -> _Value | None:
        if not isinstance(callee, _Known):
            return None
        return _Made(callee.obj) if isinstance(callee.obj, type) else _returned_by(callee.obj)

    def _operation(self, left: _Value | None, op: ast.operator) -> _Value | None:
        cls = left.cls if isinstance(left, _Made) else type(left.obj) if isinstance(left, _Known) else object
        of_sets = isinstance(op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor) and cls in (set, frozenset)
        of_paths = isinstance(op, ast.Div) and issubclass(cls, os.PathLike)
        return _Made(cls) if of_sets or of_paths else None

    def _name(self, name: str) -> _Value | None:
        for scope in reversed(self.scopes):
            if name in scope.globals:
                return self._global(name)
            if name in scope.bindings:
                return self._local(scope, name)
        if name not in self._cells:
            return self._global(name)
        try:
            return _known(self._cells[name].cell_contents)
        except ValueError:  # not assigned yet
            return None

    def _global(self, name: str) -> _Value | None:
        for namespace in (self._globals, vars(builtins)):
            if name in namespace:
                return _known(namespace[name])
        return None

    def _local(self, scope: _Scope, name: str) -> _Value | None:
        """Follow a local name to its value if it is bound in one place only."""
        if name in scope.known:
            return scope.known[name]
        token = (id(scope), name)
        if len(scope.bindings[name]) != 1 or token in self._resolving:
            return None
        binding = scope.bindings[name][0]
        if isinstance(binding, _Import):
            return self._imported(binding)
        self._resolving.add(token)
        try:
            return self.resolve(binding)
        finally:
            self._resolving.discard(token)

    def _imported(self, imported: _Import) -> _Value | None:
        module = imported.module
        if imported.level:
            package = self._globals.get("__package__") or ""
            try:
                module = importlib.util.resolve_name("." * imported.level + module, package)
            except ImportError:
                return None
        found = _module(module)
        return found if imported.name is None else _attribute(found, imported.name)

    def variable_outside(self, name: str) -> str | None:
        """Say which kind of variable outside of the function an assignment to `name` changes, if any."""
        if name in self.scopes[-1].globals:
            return "global"
        if name in self.scopes[-1].nonlocals and not any(name in scope.bindings for scope in self.scopes):
            return "enclosing"
        return None


# --- the engine -----------------------------------------------------------------------------------------


class _Linter:
    """Lints a function and what it calls in its own package."""

    def __init__(self, owner: str, home: FunctionType) -> None:
        self.findings: list[Finding] = []
        self._owner = owner
        self._file = home.__code__.co_filename
        self._package = _package(home.__module__)
        self._seen: set[CodeType] = set()
        self._reported: set[tuple[str, int, str]] = set()

    def follow(self, parts: Sequence[_Part], *, depth: int, via: tuple[str, ...]) -> None:
        """Lint functions of the home package that were not linted yet."""
        for fn, receiver in parts if depth <= MAX_DEPTH else ():
            code = fn.__code__
            if code in self._seen or not self.at_home(fn.__module__, code.co_filename):
                continue
            self._seen.add(code)
            node = _node_of(fn)
            if node is not None:
                _Reader(self, fn, depth, via).read(node, receiver)

    def at_home(self, module: str | None, file: str | None = None) -> bool:
        """Whether code is of the linted function's package, file or directory: not of a library."""
        if file is not None and (file == self._file or _side_by_side(file, self._file)):
            return True
        return _package(module) == self._package not in ("", "__main__")

    def report(self, fn: FunctionType, node: ast.expr, what: tuple[str, str, str], via: tuple[str, ...]) -> None:
        """Add a finding, once for each line and call; `what` is its verb, call and remedy."""
        file, (verb, call, remedy) = fn.__code__.co_filename, what
        if (file, node.lineno, call) not in self._reported:
            self._reported.add((file, node.lineno, call))
            self.findings.append(Finding(self._owner, _display(fn), file, node.lineno, call, remedy, verb, via))


def _package(module: str | None) -> str:
    return (module or "").partition(".")[0]


def _side_by_side(file: str, home: str) -> bool:
    """Whether two files form a program without packages: modules in one directory of the user."""
    directory = os.path.dirname(home)
    if not directory or os.path.dirname(file) != directory:
        return False
    installed = os.path.basename(directory) in ("site-packages", "dist-packages")
    return not installed and directory != os.path.dirname(os.__file__)


def _display(fn: FunctionType) -> str:
    name = fn.__qualname__.rpartition("<locals>.")[2]
    return "a lambda" if name.endswith("<lambda>") else f"{name}()"


class _Reader:
    """Reads the body of one function."""

    def __init__(self, linter: _Linter, fn: FunctionType, depth: int, via: tuple[str, ...]) -> None:
        self._linter = linter
        self._fn = fn
        self._depth = depth
        self._via = via
        self._names = _Names(fn)
        self._order_lost: set[int] = set()

    def read(self, node: _FunctionNode, receiver: _Value | None = None) -> None:
        """Read a function; what its defaults and decorators do happened when it was defined."""
        body = [node.body] if isinstance(node, ast.Lambda) else node.body
        scope = _Scope(body, _parameters(node.args))
        first = [*node.args.posonlyargs, *node.args.args][:1]
        if receiver is not None and first and len(scope.bindings[first[0].arg]) == 1:
            scope.known[first[0].arg] = receiver
        self._inside(scope, body)

    def _inside(self, scope: _Scope, body: Sequence[ast.AST]) -> None:
        self._names.scopes.append(scope)
        for node in body:
            self._visit(node)
        self._names.scopes.pop()

    def _children(self, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            self._visit(child)

    def _visit(self, node: ast.AST) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                self._inner_function(node)
            case ast.ClassDef():
                self._inside(_Scope(node.body), [*node.decorator_list, *node.bases, *node.keywords, *node.body])
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                self._comprehension(node)
            case ast.AnnAssign(target=target, value=value):  # a local annotation is not evaluated
                for child in (target, value) if value else (target,):
                    self._visit(child)
            case ast.Name():
                self._name(node)
            case ast.Attribute():
                self._environment(node)
                self._children(node)
            case ast.For():
                self._iteration(node.iter)
                self._children(node)
            case ast.Call():
                self._call(node)
                self._children(node)
            case _:
                self._children(node)

    def _inner_function(self, node: _FunctionNode) -> None:
        decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
        for outer in (*decorators, *node.args.defaults, *node.args.kw_defaults):
            if outer is not None:
                self._visit(outer)
        self.read(node)

    def _comprehension(self, node: _Comprehension) -> None:
        if isinstance(node, ast.ListComp) and id(node) not in self._order_lost:
            for generator in node.generators:
                self._iteration(generator.iter)
        targets = [name for generator in node.generators for name in ast.walk(generator.target)]
        scope = _Scope(names=[name.id for name in targets if isinstance(name, ast.Name)])
        self._inside(scope, list(ast.iter_child_nodes(node)))

    def _report(self, node: ast.expr, verb: str, call: str, remedy: str) -> None:
        self._linter.report(self._fn, node, (verb, call, remedy), self._via)

    def _name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._environment(node)
        elif kind := self._names.variable_outside(node.id):
            self._report(node, "assigns", f"the {kind} variable {node.id!r}", STATE)

    def _environment(self, node: ast.expr) -> None:
        value = self._names.resolve(node)
        if isinstance(value, _Known) and value.obj is os.environ:
            self._report(node, "reads", "os.environ", SETTING)

    def _iteration(self, node: ast.expr) -> None:
        match self._names.resolve(node):
            case _Made(cls) if cls in (set, frozenset):
                unordered = True
            case _Known(set() | frozenset() as found):
                unordered = not all(isinstance(element, int | float) for element in found)
            case _:
                unordered = False
        if unordered:
            self._report(node, "iterates over", "a set", SORT)

    def _call(self, node: ast.Call) -> None:
        callee = self._names.resolve(node.func)
        rule = _ban_on_calling(callee)
        if rule is not None and _applies(rule, node):
            self._report(node, "calls", rule.call, rule.remedy)
        elif (rule := self._ban_on_owner(node.func)) is not None:
            self._report(node, "calls", f"{ast.unparse(node.func)}()", rule.remedy)
        elif isinstance(callee, _Known):
            self._order(node, callee.obj)
            self._defaults(node, callee.obj)
            self._descend(callee)
        elif isinstance(node.func, ast.Attribute) and node.func.attr == "join" and _is_text(node.func.value):
            self._ordered(node)

    def _ban_on_owner(self, node: ast.expr) -> _Rule | None:
        """Find the client, generator or pool from outside of the function that a method belongs to."""
        rule = _ban_on_sharing(self._names.resolve(node))
        if rule is None and isinstance(node, ast.Attribute):
            return self._ban_on_owner(node.value)
        return rule

    def _order(self, node: ast.Call, callee: Any) -> None:
        if any(callee is getattr(builtins, name) for name in ORDER_FREE):
            self._order_lost.update(id(arg) for arg in node.args)
        elif any(callee is getattr(builtins, name) for name in ORDERING):
            self._ordered(node)

    def _ordered(self, node: ast.Call) -> None:
        if node.args and id(node) not in self._order_lost:
            self._iteration(node.args[0])

    def _defaults(self, node: ast.Call, callee: Any) -> None:
        """Follow the default factories that run when an object of a class of the user is created."""
        if not isinstance(callee, type) or not self._linter.at_home(callee.__module__):
            return
        for field, factory in _default_factories(callee, node):
            rule = _ban_on_calling(_Known(factory))
            if rule is not None:
                self._report(node, "calls", f"{rule.call} for {callee.__name__}.{field}", rule.remedy)
            else:
                self._descend(_Known(factory))

    def _descend(self, callee: _Known) -> None:
        parts = list(_functions_of(callee.obj, callee.receiver))
        self._linter.follow(parts, depth=self._depth + 1, via=(*self._via, _display(self._fn)))


def _is_number(node: ast.expr) -> bool:
    # Numbers hash the same in every process; text does not.
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)


def _has_splats(node: ast.Call) -> bool:
    return any(isinstance(arg, ast.Starred) for arg in node.args) or any(k.arg is None for k in node.keywords)


def _applies(rule: _Rule, node: ast.Call) -> bool:
    if rule.call == "hash()" and node.args and _is_number(node.args[0]):
        return False
    if rule.below == ANY:
        return True
    values = [*node.args, *(keyword.value for keyword in node.keywords)]
    given = sum(not (isinstance(value, ast.Constant) and value.value is None) for value in values)
    return given < rule.below and not _has_splats(node)


def _default_factories(cls: type, node: ast.Call) -> Iterator[tuple[str, Any]]:
    """Yield the default factories of the fields of a dataclass or Pydantic model that a call leaves out."""
    given = {keyword.arg for keyword in node.keywords}
    if _has_splats(node):
        return
    if is_dataclass(cls):
        fields = [field for field in cls.__dataclass_fields__.values() if field.init]
        for field in fields[len(node.args) :]:
            if field.name not in given and callable(field.default_factory):
                yield field.name, field.default_factory
    elif issubclass(cls, BaseModel):
        for name, info in cls.model_fields.items():
            if info.default_factory is not None and name not in given and info.alias not in given:
                yield name, info.default_factory
