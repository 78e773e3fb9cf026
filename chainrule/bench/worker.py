"""Times one workload in one system, in a process of its own: `python worker.py TASK`, with a task in JSON.

A script, and no part of what `import chainrule` loads: a peer's process must not pay for chainrule's import in time or
in memory. So the files beside it are loaded by their paths. It prints one line of JSON.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

if sys.platform != "win32":
    import resource

CHUNK_SECONDS = 0.05  # the time between two looks at the clock


def beside(name: str) -> Any:
    """The module of a file in this folder."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def keep_to(threads: int) -> None:
    """Lets the process run on so many cores: some systems know no other way to be told."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


def peak_bytes() -> int | None:
    """The most memory that the process has had, where the system tells."""
    status = Path("/proc/self/status")
    if status.exists():  # rusage would count what the parent had when it started this process
        return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    if sys.platform == "win32":
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def chunks(step: Callable[[], Any], fetch: Callable[[Any], float], seconds: float) -> tuple[list[float], float]:
    """(seconds a step, of each chunk, the last loss). A chunk ends when its last loss is known."""
    for _ in range(3):
        loss = fetch(step())
    start = time.perf_counter()
    loss = fetch(step())
    repeats = max(1, int(min(CHUNK_SECONDS, seconds / 4) / (time.perf_counter() - start)))
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        for _ in range(repeats):
            last = step()
        loss = fetch(last)
        times.append((time.perf_counter() - start) / repeats)
    return times, loss


def timed(task: dict[str, Any]) -> dict[str, Any]:
    """What one task finds."""
    keep_to(task["threads"])
    start = time.perf_counter()
    program = beside(f"steps_{task['system']}")
    import_seconds = time.perf_counter() - start
    if task["cache"] and hasattr(program, "use_cache"):
        program.use_cache(task["cache"])
    workloads = beside("workloads")
    workload = workloads.Workload(**{**task["workload"], "sizes": tuple(task["workload"]["sizes"])})
    data = workloads.batches(workload)
    if task["around"]:
        return timed_around(program, workload, data, task)
    start = time.perf_counter()
    step, fetch = program.make_step(workload, task["threads"], data)
    loss = first_loss = fetch(step())
    first = time.perf_counter() - start
    times, loss = chunks(step, fetch, task["seconds"])
    return {
        "best_seconds": min(times),
        "median_seconds": statistics.median(times),
        "first_seconds": max(0.0, first - min(times)),
        "import_seconds": import_seconds,
        "peak_bytes": peak_bytes(),
        "first_loss": first_loss,
        "loss": loss,
    }


def timed_around(program: Any, workload: Any, data: list[Any], task: dict[str, Any]) -> dict[str, float]:
    """The best seconds a step of each run that the task names, in turn."""
    made = {name: program.AROUND[name] for name in task["around"]}
    runs = {name: (make(workload, task["threads"], data), steps) for name, (make, steps) in made.items()}
    best = dict.fromkeys(runs, float("inf"))
    for name in [*runs, *runs]:
        (run, fetch), steps = runs[name]
        times, _ = chunks(run, fetch, task["seconds"] / len(runs) / 2)
        best[name] = min(best[name], min(times) / steps)
    return best


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])  # where chainrule lies, and not this folder
    print(json.dumps(timed(json.loads(sys.argv[1]))))
