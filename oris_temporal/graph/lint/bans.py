"""What workflow-side code must not call, and what to do instead."""

from __future__ import annotations

from typing import NamedTuple

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
