"""A graph with a node that workers do over HTTP, and such a worker.

``python examples/http_worker.py`` runs the graph in this process, where a function stands in for the workers. On Temporal:

    oris-temporal dev --graphs examples.http_worker:scan
    python examples/http_worker.py http://127.0.0.1:8080    # a worker, in another terminal; any number of them

    curl -X POST localhost:8080/v1/jobs/run -H 'content-type: application/json' \\
      -d '{"thread_id": "page-1", "graph": "scan", "input": {"image": "page-1.png"}}'

A worker needs no SDK and none of this package. With curl alone in its place:

    curl -X POST localhost:8080/v1/workers/poll -H 'content-type: application/json' -d '{"worker_id": "me"}'
    curl -X POST localhost:8080/v1/workers/me/heartbeat -H 'content-type: application/json' -d '{"lease_id": "<from poll>"}'
    curl -X POST localhost:8080/v1/workers/me/ack -H 'content-type: application/json' \\
      -d '{"attempt_id": "<from poll>", "terminal_status": "completed", "output": {"text": "what the page says"}}'
"""

import asyncio
import json
import os
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypedDict

from oris_temporal import END, START, StateGraph


class Page(TypedDict, total=False):
    image: str
    text: str
    words: int


def read_page(page: Page) -> dict[str, Any]:
    """Stands for what takes long, or needs a machine of its own."""
    return {"text": f"All that is written on {page['image']}"}


async def count(page: Page) -> dict[str, Any]:
    return {"words": len(page["text"].split())}


scan = (
    StateGraph(Page)
    .add_node("read_page", read_page, run_as="remote", reads=["image"], timeout="5m")
    .add_node("count", count)
    .add_edge(START, "read_page")
    .add_edge("read_page", "count")
    .add_edge("count", END)
    .compile(name="scan")
)


def work(url: str, worker_id: str) -> bool:
    """Do what comes first in the queue; returns whether there was anything."""
    task = post(f"{url}/v1/workers/poll", worker_id=worker_id)
    if task["decision"] != "dispatched":
        return False
    said = {"attempt_id": task["attempt_id"], "terminal_status": "completed"}
    if task["node"] == "read_page":  # without a node it is the attempt of a whole run, for which there is nothing to do
        print(f"{worker_id}: {task['node']} of {task['thread_id']}, {task['input']}", flush=True)
        try:
            with kept(f"{url}/v1/workers/{worker_id}/heartbeat", task["lease_id"]):
                said["output"] = read_page(task["input"])
        except Exception as error:
            said |= {"terminal_status": "failed", "error": str(error)}
    post(f"{url}/v1/workers/{worker_id}/ack", **said)
    return True


@contextmanager
def kept(url: str, lease_id: str) -> Iterator[None]:
    """Keep a lease, which ends 30 seconds after its last heartbeat, until the block ends."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(10):
            post(url, lease_id=lease_id)

    threading.Thread(target=beat, daemon=True).start()
    try:
        yield
    finally:
        done.set()


def post(url: str, **body: Any) -> Any:
    """What the server answers to a request."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["data"]


def main() -> None:
    if len(sys.argv) == 1:
        result = asyncio.run(scan.invoke({"image": "page-1.png"}))
        print(f"{result.state['text']}: {result.state['words']} words")
        return
    worker_id = f"worker-{os.getpid()}"
    print(f"{worker_id} asks {sys.argv[1]} for work. Ctrl-C ends it.", flush=True)
    while True:
        if not work(sys.argv[1], worker_id):
            time.sleep(0.5)


if __name__ == "__main__":
    main()
