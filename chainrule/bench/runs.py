"""Has workers run in turn, one process at a time: A B A B, so that the machine's moods fall on all systems alike."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from chainrule import backends
from chainrule.bench.workloads import WORKLOADS, Workload, flops, of_depth, of_parameters
from chainrule.executor import get_executor
from chainrule.ir.errors import ChainruleError
from chainrule.version import __version__

SYSTEMS = ("chainrule", "torch", "jax")  # ours first
WORKER = Path(__file__).with_name("worker.py")
PEAK_SECONDS = 0.3

Say = Callable[[str], None]


class WorkerError(ChainruleError):
    """A worker failed; the message has the last line that it wrote."""


@dataclass(frozen=True)
class Plan:
    """What to run: see `chainrule bench --help`."""

    workloads: tuple[Workload, ...] = tuple(WORKLOADS.values())
    systems: tuple[str, ...] = SYSTEMS
    threads: int = 2
    rounds: int = 3
    seconds: float = 2.0


@dataclass
class Timing:
    """One workload in one system, over all rounds. Times in seconds; None where it was not measured."""

    workload: str
    system: str
    flops: int
    best: float = float("inf")
    medians: list[float] = field(default_factory=list)  # of each round
    first_cold: float | None = None  # the first step less a usual one, in a new process
    first_warm: float | None = None  # the same in the next process, which finds compiled code on the disk
    import_seconds: float | None = None
    peak_bytes: int | None = None
    loss: float = float("nan")

    @property
    def median(self) -> float:
        """Over the rounds."""
        return statistics.median(self.medians)

    def take(self, found: dict[str, Any], *, cold: bool) -> None:
        """Enters what a worker found."""
        self.best = min(self.best, found["best_seconds"])
        self.medians.append(found["median_seconds"])
        self.import_seconds = least(self.import_seconds, found["import_seconds"])
        self.peak_bytes = max(self.peak_bytes or 0, found["peak_bytes"]) if found["peak_bytes"] else None
        self.loss = found["loss"]
        self.take_first(found, cold=cold)

    def take_first(self, found: dict[str, Any], *, cold: bool) -> None:
        """Enters the time of a first step."""
        if cold:
            self.first_cold = least(self.first_cold, found["first_seconds"])
        else:
            self.first_warm = least(self.first_warm, found["first_seconds"])


@dataclass
class Result:
    """A whole sitting."""

    plan: Plan
    machine: dict[str, Any]
    peak_gflops: float | None  # of all threads together; None without machine code
    timings: list[Timing]

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "machine": self.machine,
            "plan": {**asdict(self.plan), "workloads": [workload.name for workload in self.plan.workloads]},
            "peak_gflops": self.peak_gflops,
            "timings": [{**asdict(timing), "median": timing.median} for timing in self.timings],
        }


def run(plan: Plan, say: Say) -> Result:
    """Times all workloads of a plan in all its systems."""
    machine = about_machine()
    timings = {(w.name, s): Timing(w.name, s, flops(w)) for w in plan.workloads for s in plan.systems}
    peak: float | None = None
    for round in range(plan.rounds):
        for workload in plan.workloads:
            peak = most(peak, measured_peak(plan.threads))
            for system in plan.systems:
                say(f"round {round + 1} of {plan.rounds}: {workload.name} in {system}")
                take_round(timings[workload.name, system], workload, plan)
    return Result(plan, machine, peak, list(timings.values()))


def take_round(timing: Timing, workload: Workload, plan: Plan) -> None:
    """One round of one timing. chainrule is started twice: its first steps are another thing with a full cache."""
    if timing.system != "chainrule":
        timing.take(worker(timing.system, workload, plan.threads, plan.seconds), cold=True)
        return
    with tempfile.TemporaryDirectory(prefix="chainrule-bench-") as cache:
        timing.take_first(worker("chainrule", workload, plan.threads, 0.0, cache), cold=True)
        timing.take(worker("chainrule", workload, plan.threads, plan.seconds, cache), cold=False)


def overhead(plan: Plan, counts: Sequence[int], say: Say) -> Result:
    """The plan's systems on small models of more and more parameters."""
    return run(replace(plan, workloads=tuple([of_parameters(n) for n in counts])), say)


def depth(plan: Plan, blocks: Sequence[int], say: Say) -> Result:
    """The plan's systems on models of more and more equal blocks: first steps are what counts."""
    workloads = tuple([of_depth(n) for n in blocks])
    return run(replace(plan, workloads=workloads, seconds=min(plan.seconds, 0.1)), say)


def worker(
    system: str,
    workload: Workload,
    threads: int,
    seconds: float,
    cache: str | None = None,
    around: Sequence[str] = (),
) -> dict[str, Any]:
    """What a worker finds in a process of its own: of the step, or of what is named around it."""
    task = {
        "system": system, "workload": asdict(workload), "threads": threads, "seconds": seconds, "cache": cache,
        "around": around,
    }  # fmt: skip
    done = subprocess.run([sys.executable, str(WORKER), json.dumps(task)], capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise WorkerError(f"{workload.name} in {system} failed: {last}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def installed() -> tuple[str, ...]:
    """The systems that can be timed here."""
    return tuple([system for system in SYSTEMS if importlib.util.find_spec(system) is not None])


def measured_peak(threads: int) -> float | None:
    """GFLOP/s of multiply-adds in registers, by all threads together."""
    if get_executor() != "native":
        return None
    found: float = backends.native.measure_peak(threads, PEAK_SECONDS)
    return found


def about_machine() -> dict[str, Any]:
    """What figures depend on besides the programs."""
    systems = {name: version(name) for name in installed() if name != "chainrule"}
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "versions": {"chainrule": __version__, **systems},
        "commit": commit(),
    }


def version(package: str) -> str:
    """Of a package that is installed, by whatever means."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"


def processor() -> str:
    """Its name."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def commit() -> str | None:
    """The commit that runs, with a + if files differ from it; None outside of a checkout."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    told = ["git", "-C", str(root), "describe", "--always", "--dirty=+"]
    try:
        return subprocess.run(told, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def least(a: float | None, b: float) -> float:
    """The smaller one; the second if there is no first."""
    return b if a is None else min(a, b)


def most(a: float | None, b: float | None) -> float | None:
    """The larger of those that there are."""
    return max([each for each in (a, b) if each is not None], default=None)
